"""The metrics projection: every series that one exchange makes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from proxy.exchange import Exchange, Outcome, Usage, UsageSource
from proxy.names import metrics
from proxy.observer import totals
from proxy.observer.costs import cost_of
from proxy.observer.labels import Labels
from proxy.observer.table import Table
from proxy.observer.totals import Call
from proxy.pricing import PriceTable
from tests.observer.samples import attempt, exchange, refused, request_id

PRICES = PriceTable()
PAUSES = (250_000, 500_000)
Shown = dict[str, list[tuple[dict[str, str | int | float], object]]]


def counted(*exchanges: Exchange, at_once: bool = False) -> Table:
    table = Table()
    labels = Labels(table, PRICES.knows)
    calls = [Call(one, cost_of(one, PRICES), PAUSES) for one in exchanges]
    for group in [calls] if at_once else [[call] for call in calls]:
        draft = table.draft(1)
        totals.count(group, draft, labels)
        table.commit(draft)
    return table


def shown(table: Table) -> Shown:
    found: Shown = {}
    for one in table.snapshot():
        value = (one.count, one.value) if one.buckets else one.value
        found.setdefault(one.instrument.name, []).append((one.named_labels, value))
    return found


def test_a_success_feeds_every_instrument_it_can() -> None:
    place = {"endpoint": "default", "model": "claude-sonnet-4-6"}
    genai = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-4-6",
        "gen_ai.response.model": "claude-sonnet-4-6",
        "server.address": "api.anthropic.com",
        "server.port": 443,
    }
    assert shown(counted(exchange())) == {
        "proxy.request.count": [
            ({**place, "stream": "true", "status_code": "200", "outcome": "ok", "operation": "messages"}, 1)
        ],
        "proxy.request.duration_ms": [({"endpoint": "default", "stream": "true", "outcome": "ok"}, (1, 2005.0))],
        "proxy.request.ttft_ms": [(place, (1, 400.0))],
        "proxy.request.overhead_ms": [(place, (1, 3.5))],
        "proxy.request.body_size": [({"endpoint": "default"}, (1, 70_000))],
        "proxy.response.body_size": [({"endpoint": "default"}, (1, 900))],
        "proxy.output.rate": [({"model": "claude-sonnet-4-6"}, (1, 24_000 / 1_597))],
        "proxy.tokens.input": [(place, 4)],
        "proxy.tokens.output": [(place, 24)],
        "proxy.tokens.cache_read": [(place, 18_000)],
        "proxy.tokens.cache_creation": [({**place, "ttl": "1h"}, 300), ({**place, "ttl": "5m"}, 1_200)],
        "proxy.tokens.reasoning": [(place, 7)],
        "proxy.cost": [({**place, "billing": "pay_as_you_go"}, Decimal("0.012072"))],
        "proxy.key.info": [({"key": "caller-abcdefgh", "organization": "acme"}, 1)],
        "gen_ai.client.operation.duration": [(genai, (1, 2.0))],
        "gen_ai.client.operation.time_to_first_chunk": [(genai, (1, 0.1))],
        "gen_ai.client.operation.time_per_output_chunk": [(genai, (2, 0.75))],
        "gen_ai.client.token.usage": [
            ({**genai, "gen_ai.token.type": "input"}, (1, 19_504)),
            ({**genai, "gen_ai.token.type": "output"}, (1, 24)),
        ],
    }


def test_a_refusal_is_a_request_and_an_upstream_error() -> None:
    found = shown(counted(exchange(), refused()))
    assert found["proxy.upstream.errors"] == [
        ({"error_type": "rate_limit_error", "status_code": "429", "endpoint": "default"}, 1)
    ]
    assert [labels["status_code"] for labels, _ in found["proxy.request.count"]] == ["200", "429"]
    assert found["proxy.tokens.output"][0][1] == 24
    assert "proxy.unpriced.requests" not in found
    durations = found["gen_ai.client.operation.duration"]
    assert {labels.get("error.type") for labels, _ in durations} == {None, "rate_limit_error"}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_counts_once(outcome: Outcome) -> None:
    found = shown(counted(replace(exchange(), outcome=outcome, status=None)))
    ((labels, number),) = found["proxy.request.count"]
    assert (labels["outcome"], labels["status_code"], number) == (str(outcome), "none", 1)


def test_guesses_never_reach_a_counter() -> None:
    guessed = replace(exchange(), usage_source=UsageSource.ESTIMATED, output_tokens_estimated=500)
    found = shown(counted(guessed))
    assert not [name for name in found if "tokens" in name or "cost" in name or "unpriced" in name]


def test_usage_without_a_price_is_counted_as_such() -> None:
    found = shown(counted(replace(exchange(), model="made-up", response_model="made-up")))
    assert found["proxy.unpriced.requests"] == [({"model": "other"}, 1)]
    assert "proxy.cost" not in found
    assert found["proxy.tokens.output"] == [({"endpoint": "default", "model": "other"}, 24)]


def test_counts_that_the_wire_did_not_tell_make_no_series() -> None:
    found = shown(counted(replace(exchange(), usage=Usage(input_tokens=7))))
    assert [name for name in found if name.startswith("proxy.tokens")] == ["proxy.tokens.input"]


@pytest.mark.parametrize(
    ("request_capture", "response_capture", "times"),
    [
        ("too_large", None, 1),
        (None, "too_large", 1),
        ("too_large", "too_large", 1),
        ("off", None, None),
    ],
)
def test_a_record_with_bodies_that_are_not_kept_whole_is_counted_once(
    request_capture: str | None, response_capture: str | None, times: int | None
) -> None:
    kept = replace(exchange(), request_capture=request_capture, response_capture=response_capture)
    expected = None if times is None else [({"reason": "too_large"}, times)]
    assert shown(counted(kept)).get("proxy.dropped") == expected


def test_cache_writes_of_unknown_lifetime_have_no_ttl() -> None:
    usage = Usage(1, 2, None, 50)
    assert shown(counted(replace(exchange(), usage=usage)))["proxy.tokens.cache_creation"] == [
        ({"endpoint": "default", "model": "claude-sonnet-4-6"}, 50)
    ]


def test_unknown_times_are_not_observed() -> None:
    bare = Exchange(request_id(1), "relay-1", 1, "GET", "/v1/models", "default", outcome=Outcome.OK, operation="models")
    assert set(shown(counted(bare))) == {"proxy.request.count"}


def test_only_streams_have_an_output_rate() -> None:
    found = shown(counted(replace(exchange(), stream=False)))
    assert "proxy.output.rate" not in found
    assert "gen_ai.client.operation.time_to_first_chunk" not in found
    assert "gen_ai.client.operation.time_per_output_chunk" not in found


def test_hostile_names_add_only_the_series_of_one_other_model() -> None:
    """G8: 10,000 random models, paths, sessions, keys and clients."""
    known = len(counted(exchange(), replace(refused(), model="made-up")).snapshot())
    hostile = [
        replace(
            refused(),
            model=f"model-{number}",
            path=f"/v1/{number}",
            session_id=f"session-{number}",
            key=f"caller-{number}",
            client=f"client-{number}",
            workflow=f"workflow-{number}",
        )
        for number in range(10_000)
    ]
    assert len(counted(exchange(), *hostile).snapshot()) == known


def test_a_histogram_leads_to_the_trace() -> None:
    duration = next(one for one in counted(exchange()).snapshot() if one.instrument is metrics.REQUEST_DURATION)
    ((bucket, (value, origin)),) = duration.exemplars.items()
    assert (bucket, value, origin.trace_id, origin.span_id) == (5, 2005.0, 1, 16)
    assert origin.time_ns == exchange().started_ns + 2_005_000_000


def test_series_that_alerts_need_exist_before_the_first_event() -> None:
    table = Table()
    draft = table.draft(1)
    totals.begin(draft, ["default"], Labels(table, PRICES.knows))
    table.commit(draft)
    found = shown(table)
    assert found["proxy.credential.cooldowns"] == [({"credential": "caller", "reason": "window_rejected"}, 0)]
    assert {labels["reason"] for labels, _ in found["proxy.dropped"]} == {
        "disk_full",
        "queue_full",
        "too_large",
        "evicted",
        "ledger_error",
        "poison",
    }
    assert found["proxy.read.errors"] == found["proxy.auth.failures"] == [({}, 0)]


def test_a_cooldown_names_the_credential() -> None:
    table = Table()
    draft = table.draft(1)
    labels = Labels(table, PRICES.knows)
    totals.count_cooldown(refused(), draft, labels)
    totals.count_cooldown(replace(refused(), credential="team-a"), draft, labels)
    table.commit(draft)
    assert [(one.labels[0], one.value) for one in table.snapshot()] == [("caller", 1), ("team-a", 1)]


def test_failed_attempts_before_a_success_are_upstream_errors() -> None:
    retried = replace(exchange(), attempts=(replace(attempt(1, status=529), error_type="overloaded_error"), attempt(2)))
    found = shown(counted(retried))
    assert found["proxy.upstream.errors"][0][1] == 1
    assert found["proxy.request.count"][0][0]["outcome"] == "ok"


def test_masked_secrets_are_counted_by_rule() -> None:
    """N-19"""
    told = ['{"caller": 2, "github": 1}', '{"caller": 3}', None, "no JSON", '{"x": "y"}']
    table = counted(*(replace(exchange(), redactions=redactions) for redactions in told))
    assert shown(table)["proxy.capture.redactions"] == [({"rule": "caller"}, 5), ({"rule": "github"}, 1)]


def test_it_does_not_matter_which_calls_are_counted_at_once() -> None:
    """A model that is let in by the way counts under its name from that call on."""
    streamed = [
        replace(exchange(number), duration_ms=float(number % 7), stream=number % 3 == 0) for number in range(60)
    ]
    early = [replace(refused(), key="caller-new"), replace(exchange(), model="claude-haiku-4-5"), replace(refused(61))]
    odd = [replace(one, parameters=None, usage=Usage(input_tokens=one.status)) for one in (refused(), exchange())]
    late = [replace(refused(), model="claude-haiku-4-5"), Exchange("px_1", "p", 1, "GET", "/", "default", Outcome.OK)]
    calls = [*early, *streamed, *odd, *late, replace(exchange(), outcome=Outcome.TRUNCATED, attempts=())]
    together, alone = counted(*calls, at_once=True), counted(*calls)
    assert shown(together) == shown(alone)
    assert [one.buckets for one in together.snapshot()] == [one.buckets for one in alone.snapshot()]
    latest = next(one for one in together.snapshot() if one.instrument is metrics.REQUEST_TTFT)
    assert {value for value, _ in latest.exemplars.values()} == {400.0}
