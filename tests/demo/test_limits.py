"""Windows and buckets."""

from __future__ import annotations

from itertools import pairwise

from proxy.demo.limits import MAX_CALLERS, PER_MINUTE, UNIFIED, Caller, Limits, caller_of
from proxy.demo.weight import PromptTokens

SUBSCRIBER = Caller("ada", oauth=True)
KEY_HOLDER = Caller("build", oauth=False)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


def lines(limits: Limits, caller: Caller = SUBSCRIBER, model: str = "claude-sonnet-4-6") -> dict[str, str]:
    return dict(limits.headers(caller, model))


def test_credential_tells_subscriptions_from_keys_whatever_the_header() -> None:
    assert caller_of({"authorization": "Bearer sk-ant-oat01-x"}).oauth
    assert not caller_of({"authorization": "Bearer sk-ant-api03-x"}).oauth
    assert caller_of({"x-api-key": "sk-ant-api03-x"}) == caller_of({"authorization": "Bearer sk-ant-api03-x"})
    assert not caller_of({}).known


def test_utilization_rises_towards_one_with_a_warning_on_the_way() -> None:
    limits = Limits(1, Clock())
    readings = []
    for _ in range(60):
        limits.charge(SUBSCRIBER, PromptTokens(200_000), 1_000)
        readings.append(lines(limits))
    used = [float(reading[f"{UNIFIED}5h-utilization"]) for reading in readings]
    assert all(earlier < later < 1 for earlier, later in pairwise(used))
    assert readings[0][f"{UNIFIED}5h-status"] == "allowed"
    assert readings[-1][f"{UNIFIED}5h-status"] == readings[-1][f"{UNIFIED}status"] == "allowed_warning"
    assert readings[-1][f"{UNIFIED}5h-surpassed-threshold"] == "0.9"
    assert readings[-1][f"{UNIFIED}representative-claim"] == "five_hour"


def test_cache_reads_weigh_a_tenth() -> None:
    fresh, cached = Limits(1, Clock()), Limits(1, Clock())
    fresh.charge(SUBSCRIBER, PromptTokens(10_000), 0)
    cached.charge(SUBSCRIBER, PromptTokens(0, cache_read=100_000), 0)
    assert lines(fresh) == lines(cached)


def test_window_starts_anew_after_its_reset() -> None:
    clock = Clock()
    limits = Limits(1, clock)
    limits.charge(SUBSCRIBER, PromptTokens(3_000_000), 0)
    before = lines(limits)
    clock.now = float(before[f"{UNIFIED}5h-reset"]) + 1
    limits.charge(SUBSCRIBER, PromptTokens(100), 0)
    after = lines(limits)
    assert float(after[f"{UNIFIED}5h-utilization"]) < 0.001
    assert int(after[f"{UNIFIED}5h-reset"]) == int(clock.now) + 5 * 3_600
    assert after[f"{UNIFIED}7d-utilization"] >= before[f"{UNIFIED}7d-utilization"]


def test_rejected_window_is_full_once_and_new_afterwards() -> None:
    limits = Limits(1, Clock())
    rejected = dict(limits.rejected(SUBSCRIBER))
    assert rejected[f"{UNIFIED}status"] == rejected[f"{UNIFIED}5h-status"] == "rejected"
    assert rejected[f"{UNIFIED}5h-utilization"] == "1.0000"
    assert rejected[f"{UNIFIED}reset"] == rejected[f"{UNIFIED}5h-reset"] == "1795000900"
    assert rejected["retry-after"] == "900"
    assert float(lines(limits)[f"{UNIFIED}5h-utilization"]) == 0


def test_third_window_is_for_large_models() -> None:
    limits = Limits(1, Clock())
    assert f"{UNIFIED}7d_oi-utilization" not in lines(limits)
    assert f"{UNIFIED}7d_oi-utilization" in lines(limits, model="claude-opus-4-6")


def test_buckets_empty_with_use_and_refill_within_a_minute() -> None:
    clock = Clock()
    limits = Limits(1, clock)
    limits.charge(KEY_HOLDER, PromptTokens(500_000, cache_read=900_000), 40_000)
    used = lines(limits, KEY_HOLDER)
    assert used["anthropic-ratelimit-requests-remaining"] == "3999"
    assert used["anthropic-ratelimit-input-tokens-remaining"] == "1500000"
    assert used["anthropic-ratelimit-output-tokens-remaining"] == "360000"
    assert used["anthropic-ratelimit-tokens-limit"] == "2400000"
    assert used["anthropic-ratelimit-tokens-remaining"] == "1860000"
    assert used["anthropic-ratelimit-input-tokens-reset"] == "2026-11-18T11:06:55Z"
    clock.now += 60
    limits.charge(KEY_HOLDER, PromptTokens(0), 0)
    refilled = lines(limits, KEY_HOLDER)
    assert refilled["anthropic-ratelimit-input-tokens-remaining"] == str(PER_MINUTE["input-tokens"])


def test_exhausted_bucket_has_nothing_left() -> None:
    limits = Limits(1, Clock())
    assert dict(limits.exhausted(KEY_HOLDER))["anthropic-ratelimit-requests-remaining"] == "0"


def test_no_more_callers_are_remembered_than_allowed() -> None:
    limits = Limits(1, Clock())
    limits.charge(SUBSCRIBER, PromptTokens(3_000_000), 0)
    used = lines(limits)
    for number in range(MAX_CALLERS):
        lines(limits, Caller(str(number), oauth=True))
    assert lines(limits) != used
