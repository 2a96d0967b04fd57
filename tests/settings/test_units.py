from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.units import duration, duration_text, size, size_text


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [("10GiB", 10 * 1024**3), ("64 kB", 64_000), ("0.5MiB", 524_288), ("12", 12), (4096, 4096), ("7B", 7)],
)
def test_sizes_are_bytes(written: object, bytes_: int) -> None:
    assert size(written) == bytes_


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("7d", 604_800.0), ("500ms", 0.5), ("1.5h", 5400.0), ("5m", 300.0), (30, 30.0), (0.25, 0.25)],
)
def test_durations_are_seconds(written: object, seconds: float) -> None:
    assert duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "10 Gib", "-1", "1e3", "ten", "1.5B", True, None, [], float("inf"), float("nan")]
)
def test_what_is_no_size_is_none(written: object) -> None:
    assert size(written) is None


@pytest.mark.parametrize("written", ["", "7 days", "-1s", "1M", True, None, {}, float("inf"), float("nan")])
def test_what_is_no_duration_is_none(written: object) -> None:
    assert duration(written) is None


@given(st.integers(0, 2**50))
def test_a_size_survives_being_written(value: int) -> None:
    assert size(size_text(value)) == value


@given(st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000))
def test_a_duration_survives_being_written(value: float) -> None:
    assert duration(duration_text(value)) == value


@given(st.text() | st.integers() | st.floats() | st.none())
def test_anything_at_all_is_a_value_or_none(value: object) -> None:
    assert size(value) is None or size(value) >= 0  # type: ignore[operator]
    assert duration(value) is None or duration(value) >= 0  # type: ignore[operator]
