"""Rate-limit windows: what holds how long, which account is shown, when a credential pauses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.exchange import Exchange, LimitReading, WindowReading
from proxy.names import metrics
from proxy.names.metrics import Instrument
from proxy.observer.table import Label
from proxy.observer.windows import MOST_ACCOUNTS, MOST_WINDOWS, Windows
from tests.observer.samples import SECOND_NS, START_NS, exchange, refused

NOW = START_NS // SECOND_NS
LATER = NOW + 10_000


def answer(*windows: WindowReading, at: int = NOW, limits: tuple[LimitReading, ...] = ()) -> Exchange:
    return replace(exchange(), started_ns=at * SECOND_NS, headers_ms=0.0, windows=windows, limits=limits)


def reading(
    window: str = "5h",
    utilization: float | None = 40.0,
    resets_at: int | None = LATER,
    *,
    account: str = "acme",
    status: str = "allowed",
) -> WindowReading:
    return WindowReading(account, window, utilization, resets_at, status)


def learnt(*exchanges: Exchange, main: str | None = None) -> Windows:
    windows = Windows(main)
    for one in exchanges:
        windows.learn(one)
    return windows


def gauge(windows: Windows, instrument: Instrument, now: float = NOW) -> dict[tuple[Label, ...], float]:
    return {labels: value for found, labels, value in windows.gauges(now) if found is instrument}


def test_a_reading_shows_for_the_account_and_for_dashboards() -> None:
    windows = learnt(answer(reading("5h", 40.0), reading("7d", 101.5, LATER + 5)))
    assert gauge(windows, metrics.ACCOUNT_UTILIZATION) == {("acme", "5h"): 40.0, ("acme", "7d"): 101.5}
    assert gauge(windows, metrics.USAGE_UTILIZATION) == {("5h",): 40.0, ("7d",): 101.5}
    assert gauge(windows, metrics.USAGE_RESETS_AT) == {("5h",): LATER, ("7d",): LATER + 5}
    assert gauge(windows, metrics.ACCOUNT_OBSERVED_AT) == {("acme", "5h"): NOW, ("acme", "7d"): NOW}


def test_utilization_goes_with_its_reset_and_the_reset_stays() -> None:
    """P-6, D-7."""
    windows = learnt(answer(reading()))
    assert gauge(windows, metrics.USAGE_UTILIZATION, LATER - 1) == {("5h",): 40.0}
    assert gauge(windows, metrics.USAGE_UTILIZATION, LATER) == {}
    assert gauge(windows, metrics.USAGE_RESETS_AT, LATER + 10**6) == {("5h",): LATER}


def test_a_429_without_headers_changes_nothing() -> None:
    """P-5."""
    windows = learnt(answer(reading()))
    before = windows.dump()
    assert windows.learn(refused()) is False
    assert windows.dump() == before


def test_an_answer_about_another_window_leaves_the_first_alone() -> None:
    """P-6."""
    windows = learnt(answer(reading("5h", 40.0)), answer(reading("7d_oi", 10.0), at=NOW + 1))
    assert gauge(windows, metrics.USAGE_UTILIZATION) == {("5h",): 40.0, ("7d_oi",): 10.0}


def test_an_answer_that_was_overtaken_does_not_set_the_clock_back() -> None:
    windows = learnt(answer(reading(utilization=50.0), at=NOW + 9), answer(reading(utilization=41.0), at=NOW + 3))
    assert gauge(windows, metrics.USAGE_UTILIZATION) == {("5h",): 50.0}


def test_a_status_alone_keeps_the_utilization_of_the_same_window() -> None:
    windows = learnt(answer(reading()), answer(reading(utilization=None), at=NOW + 1))
    assert gauge(windows, metrics.USAGE_UTILIZATION) == {("5h",): 40.0}
    windows.learn(answer(reading(utilization=None, resets_at=LATER + 18_000), at=NOW + 2))
    assert gauge(windows, metrics.USAGE_UTILIZATION) == {}


def test_without_a_reset_a_reading_holds_for_the_length_of_its_window() -> None:
    windows = learnt(answer(reading(resets_at=None), reading("odd", 7.0, None)))
    assert gauge(windows, metrics.USAGE_UTILIZATION, NOW + 17_999) == {("5h",): 40.0, ("odd",): 7.0}
    assert gauge(windows, metrics.USAGE_UTILIZATION, NOW + 18_000) == {("odd",): 7.0}
    assert gauge(windows, metrics.USAGE_UTILIZATION, NOW + 86_400) == {}
    assert gauge(windows, metrics.USAGE_RESETS_AT) == {}


def test_the_fullest_account_is_shown_with_both_gauges_from_it() -> None:
    """D-4: exactly one series per window."""
    windows = learnt(
        answer(reading("5h", 20.0, LATER + 1, account="a"), reading("7d", 30.0, LATER + 2, account="a")),
        answer(reading("5h", 90.0, LATER + 3, account="b"), at=NOW + 1),
    )
    assert gauge(windows, metrics.USAGE_UTILIZATION) == {("5h",): 90.0}
    assert gauge(windows, metrics.USAGE_RESETS_AT) == {("5h",): LATER + 3}
    after = LATER + 3
    windows.learn(answer(reading("5h", 10.0, LATER + 9_999, account="a"), at=NOW + 2))
    assert gauge(windows, metrics.USAGE_UTILIZATION, after) == {("5h",): 10.0}
    assert gauge(windows, metrics.USAGE_RESETS_AT, after) == {("5h",): LATER + 9_999, ("7d",): LATER + 2}


def test_the_main_account_that_was_set_is_shown_alone() -> None:
    answers = (answer(reading(utilization=20.0, account="a")), answer(reading(utilization=90.0, account="b")))
    assert gauge(learnt(*answers, main="a"), metrics.USAGE_UTILIZATION) == {("5h",): 20.0}
    assert gauge(learnt(*answers, main="nobody"), metrics.USAGE_UTILIZATION) == {}


def test_readings_survive_a_restart() -> None:
    windows = learnt(answer(reading(), limits=(LimitReading("acme", "tokens", 100, 40, NOW + 60),)))
    again = Windows(None, windows.dump())
    assert list(again.gauges(NOW)) == list(windows.gauges(NOW))
    assert again.dump() == windows.dump()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"windows":{"a":{"5h":{"utilization":"x"}}},"limits":{}}'])
def test_a_note_that_cannot_be_read_is_as_good_as_none(note: str) -> None:
    assert list(Windows(None, note).gauges(NOW)) == []


def test_the_names_of_windows_and_accounts_are_bounded() -> None:
    """G8."""
    windows = Windows()
    windows.learn(answer(reading("overage"), reading("x" * 17), reading("5H"), reading("")))
    assert gauge(windows, metrics.ACCOUNT_UTILIZATION) == {}
    windows.learn(answer(*(reading(f"w{number}") for number in range(40))))
    assert len(gauge(windows, metrics.ACCOUNT_UTILIZATION)) == 16
    windows.learn(answer(*(reading("w1", account=f"account-{number}") for number in range(90))))
    assert len({account for account, _ in gauge(windows, metrics.ACCOUNT_UTILIZATION)}) == 50


def test_accounts_and_windows_not_heard_of_for_longer_than_any_window_make_room() -> None:
    made_up = [reading(f"w{number}", account=f"stranger-{number}") for number in range(MOST_WINDOWS)]
    made_up += [reading("w0", account=f"stranger-{number}") for number in range(MOST_ACCOUNTS)]
    windows = learnt(answer(*made_up))
    for days, accounts in ((7, MOST_ACCOUNTS), (8, MOST_ACCOUNTS), (9, 1)):
        at = NOW + days * 86_400
        windows.learn(answer(reading(resets_at=at + 10), at=at, limits=(LimitReading("acme", "requests", 1, 1, None),)))
        known = {labels[0] for instrument, labels, _ in windows.gauges(at) if instrument is metrics.ACCOUNT_OBSERVED_AT}
        assert len(known) == accounts
    assert ("acme", "5h") in [labels for _, labels, _ in windows.gauges(at)]


def test_the_pace_so_far_tells_when_a_window_is_full() -> None:
    half_an_hour_in = LATER - 18_000 + 1_800
    windows = learnt(answer(reading(utilization=25.0), at=half_an_hour_in))
    assert gauge(windows, metrics.ACCOUNT_EXHAUSTS_AT, half_an_hour_in) == {("acme", "5h"): half_an_hour_in + 5_400}
    lasts = learnt(answer(reading(utilization=9.0), at=half_an_hour_in))
    assert gauge(lasts, metrics.ACCOUNT_EXHAUSTS_AT, half_an_hour_in) == {}
    full = learnt(answer(reading(utilization=100.0), at=half_an_hour_in))
    assert gauge(full, metrics.ACCOUNT_EXHAUSTS_AT, half_an_hour_in) == {("acme", "5h"): half_an_hour_in}
    assert gauge(learnt(answer(reading(utilization=0.0))), metrics.ACCOUNT_EXHAUSTS_AT) == {}


def test_entering_a_rejected_window_pauses_the_credential_once() -> None:
    windows = Windows()
    turned_away = replace(answer(reading(status="rejected"), reading("7d", status="rejected")), status=429)
    assert windows.learn(answer(reading())) is False
    assert windows.learn(turned_away) is True
    assert windows.learn(turned_away) is False
    assert Windows(None, windows.dump()).learn(turned_away) is False
    next_window = replace(answer(reading(resets_at=LATER + 18_000, status="rejected")), status=429)
    assert windows.learn(next_window) is True
    windows.learn(answer(reading(resets_at=LATER + 18_000)))
    assert windows.learn(next_window) is True


def test_a_rejection_that_overage_pays_for_is_no_pause() -> None:
    """P-4: it comes with a 200."""
    assert Windows().learn(answer(reading(status="rejected"))) is False


def test_what_is_left_of_a_limit_is_shown_for_minutes_and_the_limit_for_good() -> None:
    windows = learnt(answer(limits=(LimitReading("acme", "tokens", 100, -5, NOW + 60), LimitReading("acme", "odd!"))))
    assert gauge(windows, metrics.RATELIMIT_REMAINING, NOW + 359) == {("acme", "tokens"): -5}
    assert gauge(windows, metrics.RATELIMIT_REMAINING, NOW + 360) == {}
    assert gauge(windows, metrics.RATELIMIT_LIMIT, NOW + 10**6) == {("acme", "tokens"): 100}


def test_a_credential_is_active_until_a_window_rejects_and_again_after_its_reset() -> None:
    refusal = replace(answer(reading(status="rejected")), status=429)
    windows = learnt(answer(reading()), answer(reading(account="other")), refusal)
    assert gauge(windows, metrics.CREDENTIAL_ACTIVE) == {("acme",): 0, ("other",): 1}
    allowed = answer(reading(resets_at=LATER + 18_000), at=LATER)
    windows.learn(allowed)
    assert gauge(windows, metrics.CREDENTIAL_ACTIVE, LATER) == {("acme",): 1}


def test_a_credential_that_nothing_is_known_of_any_more_is_neither_active_nor_not() -> None:
    assert gauge(learnt(answer(reading())), metrics.CREDENTIAL_ACTIVE, LATER) == {}


def test_an_upstream_that_makes_up_limits_adds_at_most_sixteen() -> None:
    readings = tuple(LimitReading("acme", f"limit_{number}", 10, 5, LATER) for number in range(100))
    windows = learnt(answer(limits=readings), answer(limits=readings[50:]))
    assert len(gauge(windows, metrics.RATELIMIT_LIMIT)) == 16
