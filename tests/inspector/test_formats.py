from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.inspector import formats


def test_unknown_is_a_dash_and_never_zero() -> None:
    shown = [
        formats.count(None), formats.usd(None), formats.usd_exact(None), formats.milliseconds(None), formats.rate(None),
        formats.percent(None), formats.size(None), formats.utc_seconds(None),
    ]  # fmt: skip

    assert shown == ["—"] * 8


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.4, "0.40 ms"), (12.4, "12 ms"), (999.4, "999 ms"), (999.6, "1.00 s"), (2890, "2.89 s"), (61_000, "1 min 01 s")],
)
def test_durations_take_the_unit_a_reader_would_choose(value: float, shown: str) -> None:
    assert formats.milliseconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("0.051006", "$0.0510"), ("0", "$0.0000"), ("0.000075", "$0.000075"), ("1234.5", "$1,234.5000")],
)
def test_small_amounts_do_not_read_as_nothing(value: str, shown: str) -> None:
    assert formats.usd(Decimal(value)) == shown


@pytest.mark.parametrize(("value", "shown"), [("0.051006", "$0.051006"), ("12", "$12.00"), ("1E+3", "$1,000.00")])
def test_exact_amounts_keep_every_digit(value: str, shown: str) -> None:
    assert formats.usd_exact(Decimal(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 B"), (48_599, "48.6 kB"), (123_456_789, "123 MB"), (2 * 10**10, "20 GB")]
)
def test_sizes_are_decimal(value: int, shown: str) -> None:
    assert formats.size(value) == shown


def test_times_are_utc_with_milliseconds() -> None:
    assert formats.rfc3339(1_795_265_491_123_999_999) == "2026-11-21T12:51:31.123Z"
    assert formats.utc(1_795_265_491_123_999_999) == "2026-11-21 12:51:31.123 UTC"


def test_absurd_reset_times_are_unknown() -> None:
    assert formats.utc_seconds(10**15) == "—"
    assert formats.utc_seconds(-1) == "—"
    assert formats.utc_seconds(1_795_276_291) == "2026-11-21 15:51:31 UTC"
