"""Rate-limit headers become readings: any window, percents once, resets in Unix seconds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.exchange import Headers, LimitReading, WindowReading
from proxy.reading.ratelimit import ratelimit_headers, readings, retry_after
from tests.reading.streams import vector

NOW = 1_785_600_000.0
VECTOR_NOW = 1_795_265_491.0
PREFIX = "Anthropic-Ratelimit-Unified-"
LIVE: Headers = tuple(
    (PREFIX + name, value)
    for name, value in [
        ("status", "allowed_warning"),
        ("5h-status", "allowed_warning"),
        ("5h-utilization", "0.94"),
        ("5h-reset", "1785634800"),
        ("5h-surpassed-threshold", "0.9"),
        ("7d-status", "allowed"),
        ("7d-utilization", "0.42"),
        ("7d-reset", "1786021200"),
        ("representative-claim", "five_hour"),
        ("reset", "1785634800"),
        ("fallback", "available"),
        ("fallback-percentage", "0.5"),
        ("overage-status", "rejected"),
        ("overage-disabled-reason", "out_of_credits"),
    ]
)


def windows(*headers: tuple[str, str]) -> tuple[WindowReading, ...]:
    return readings(tuple((PREFIX + name, value) for name, value in headers), "acct", NOW)[0]


def test_live_set_gives_two_windows() -> None:
    """Wire facts 7.5, P-1, P-3"""
    assert readings(LIVE, "acct", NOW) == (
        (
            WindowReading("acct", "5h", 94.0, 1785634800, "allowed_warning"),
            WindowReading("acct", "7d", 42.0, 1786021200, "allowed"),
        ),
        (),
    )


def test_sample_of_a_rejected_window_gives_four_windows() -> None:
    assert readings(vector("anthropic_429_unified").headers, "acct", VECTOR_NOW) == (
        (
            WindowReading("acct", "5h", 100.0, 1795276291, "rejected"),
            WindowReading("acct", "7d", 42.0, 1795611091, "allowed"),
            WindowReading("acct", "7d_sonnet", 5.0, 1795611091, "allowed"),
            WindowReading("acct", "7d_oi", 11.0, 1795611091, "allowed"),
        ),
        (),
    )


def test_sample_with_an_api_key_gives_per_minute_limits() -> None:
    """P-7"""
    assert readings(vector("anthropic_stream_text").headers, None, VECTOR_NOW) == (
        (),
        (
            LimitReading("unknown", "requests", 4000, 3999, 1795265492),
            LimitReading("unknown", "input_tokens", 2000000, 1999000, 1795265491),
            LimitReading("unknown", "output_tokens", 400000, 300000, 1795265506),
            LimitReading("unknown", "tokens", 2400000, 2299000, 1795265491),
        ),
    )


@pytest.mark.parametrize(
    "name",
    [
        "overage-status",
        "overage-reset",
        "overage-utilization",
        "fallback-reset",
        "representative-status",
        "status",
        "reset",
        "grace-status",
        "grace-5h-utilization",
        "slow-status",
        "slow-budget-utilization",
        "slow-budget-reset",
        "overage-period-monthly-utilization",
        "overage-period-channel-utilization",
        "seventeen_letters-status",
        "7D!-status",
    ],
)
def test_what_is_no_window_gives_none(name: str) -> None:
    """P-3"""
    value = "1785634800" if name.endswith("reset") else "0.5" if name.endswith("utilization") else "allowed"
    assert windows((name, value)) == ()


@pytest.mark.parametrize(
    ("sent", "percent"),
    [
        ("0", 0.0),
        ("0.07", 7.0),
        ("0.33", 33.0),
        ("1", 100.0),
        ("1.02", 102.0),
        ("2", 200.0),
        ("2.5", 2.5),
        ("94", 94.0),
        (" 0.5 ", 50.0),
        ("nan", None),
        ("inf", None),
        ("-0.1", None),
        ("1_0", None),
        ("", None),
        ("0.5, 0.6", None),
    ],
)
def test_utilization_becomes_percents_once(sent: str, percent: float | None) -> None:
    """P-2"""
    assert windows(("5h-utilization", sent), ("5h-status", "allowed")) == (
        WindowReading("acct", "5h", percent, None, "allowed"),
    )


@pytest.mark.parametrize(
    ("sent", "at"),
    [
        ("1785634800", 1785634800),
        ("1785634800.2", 1785634801),
        ("2026-08-02T01:40:00Z", 1785634800),
        ("2026-08-02T03:40:00+02:00", 1785634800),
        ("2026-08-02T01:40:00", 1785634800),
        ("0", None),
        ("1785634800000", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_resets_are_unix_seconds(sent: str, at: int | None) -> None:
    assert windows(("7d-reset", sent), ("7d-status", "allowed"))[0].resets_at == at


def test_reading_without_anything_readable_is_none() -> None:
    """P-5"""
    assert windows(("5h-utilization", "?"), ("5h-reset", "?"), ("5h-status", "?!")) == ()
    assert readings((("retry-after", "7"),), "acct", NOW) == ((), ())


def test_at_most_sixteen_windows_are_read() -> None:
    assert len(windows(*((f"w{n}-status", "allowed") for n in range(40)))) == 16


def test_limits_may_be_zero_negative_or_missing() -> None:
    headers = (
        ("anthropic-ratelimit-tokens-limit", "0"),
        ("anthropic-ratelimit-tokens-remaining", "-27689"),
        ("anthropic-ratelimit-requests-reset", "never"),
        ("anthropic-priority-input-tokens-limit", "5"),
        ("anthropic-fast-input-tokens-limit", "0"),
    )
    assert readings(headers, "acct", NOW)[1] == (LimitReading("acct", "tokens", 0, -27689, None),)


def test_all_headers_about_limits_are_kept() -> None:
    headers = (
        *LIVE[:2],
        ("anthropic-fast-input-tokens-limit", "0"),
        ("X-RateLimit-Reset-Requests", "6ms"),
        ("retry-after", "7"),
        ("Retry-After", "10800"),
        ("retry-after-ms", "7000"),
        ("x-should-retry", "true"),
        ("content-type", "text/plain"),
        ("request-id", "req_1"),
    )
    assert ratelimit_headers(headers) == {
        "anthropic-ratelimit-unified-status": "allowed_warning",
        "anthropic-ratelimit-unified-5h-status": "allowed_warning",
        "anthropic-fast-input-tokens-limit": "0",
        "x-ratelimit-reset-requests": "6ms",
        "retry-after": "7, 10800",
        "retry-after-ms": "7000",
        "x-should-retry": "true",
    }


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("retry-after", "7")], 7.0),
        ([("Retry-After", " 1.5 ")], 1.5),
        ([("retry-after-ms", "250")], 0.25),
        ([("retry-after", "7"), ("retry-after", "10800")], 10800.0),
        ([("retry-after", "Sat, 01 Aug 2026 16:01:00 GMT")], 60.0),
        ([("retry-after", "Sat, 01 Aug 2026 15:00:00 GMT")], 0.0),
        ([("retry-after", "-5")], None),
        ([("retry-after", "nan")], None),
        ([("retry-after", "Sat, 99 Aug 2026 15:00:00 GMT")], None),
        ([("retry-after", "")], None),
        ([], None),
    ],
)
def test_wait_is_read_in_every_form(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert retry_after(tuple(headers), NOW) == seconds


def test_sample_with_two_waits_gives_the_longer() -> None:
    assert retry_after(vector("anthropic_429_unified").headers, VECTOR_NOW) == 10800.0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([name for name, _ in LIVE] + ["retry-after", "anthropic-ratelimit-tokens-reset"]),
            st.text(max_size=30) | st.floats().map(str) | st.integers().map(str),
        ),
        max_size=6,
    )
)
def test_any_values_are_read_or_ignored(headers: list[tuple[str, str]]) -> None:
    for window in readings(tuple(headers), "acct", NOW)[0]:
        assert window.utilization is None or 0 <= window.utilization < float("inf")
    wait = retry_after(tuple(headers), NOW)
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6ms", 1),
        ("1s", 1),
        ("547ms", 1),
        ("33.023s", 34),
        ("6m0s", 360),
        ("2m52.8s", 173),
        ("1h30m", 5400),
        ("64", 64),
        ("0s", 0),
        ("", None),
        ("s", None),
        ("-5s", None),
        ("5 s", None),
        ("1s1m", None),
        ("2026-01-01T00:00:00Z", None),
        ("99999h", None),
        ("NaN", None),
    ],
)
def test_time_left_of_a_limit_becomes_a_time(text: str, seconds: int | None) -> None:
    """Wire facts 7.5; rounded up: before, the reset has not happened."""
    headers: Headers = (("X-RateLimit-Reset-Tokens", text), ("x-ratelimit-limit-tokens", "10"))
    at = None if seconds is None else int(NOW) + seconds
    assert readings(headers, "acct", NOW)[1] == (LimitReading("acct", "tokens", 10, None, at),)


def test_limits_of_a_sample_are_read() -> None:
    assert readings(vector("openai_chat_json").headers, "acct", NOW) == (
        (),
        (
            LimitReading("acct", "requests", 10_000, 9_999, int(NOW) + 1),
            LimitReading("acct", "tokens", 30_000_000, 29_999_000, int(NOW) + 91),
        ),
    )


def test_what_is_left_may_be_negative_and_a_limit_zero() -> None:
    """Azure; wire facts 7.5."""
    headers: Headers = (("x-ratelimit-remaining-tokens", "-27689"), ("x-ratelimit-limit-tokens", "0"))
    assert readings(headers, "acct", NOW)[1] == (LimitReading("acct", "tokens", 0, -27689, None),)


@pytest.mark.parametrize("name", ["x-ratelimit-reset", "x-ratelimit-limit-requests-day", "x-ratelimit-used-tokens"])
def test_limits_of_other_names_are_no_readings(name: str) -> None:
    assert readings(((name, "5"),), "acct", NOW) == ((), ())


def test_answers_with_the_same_names_have_their_own_values() -> None:
    """What names and values mean is remembered from answer to answer."""
    names = ("X-RateLimit-Limit-Tokens", "anthropic-ratelimit-unified-5h-utilization", "Retry-After")
    for number in (1, 2, 1):
        sent = tuple((name, str(number)) for name in names)
        windows, limits = readings(sent, "a", NOW)
        assert (windows[0].utilization, limits[0].limit) == (100.0 if number == 1 else 200.0, number)
        assert ratelimit_headers(sent) == {name.lower(): str(number) for name in names}
    assert readings(((names[1], "1" * 70),), "a", NOW) == ((), ())
