"""What is kept of a pure function."""

from __future__ import annotations

from proxy.observer.remembered import LONGEST, MOST, Remembered


def test_what_was_made_is_not_made_again() -> None:
    made: list[str] = []

    def make(name: str, value: str) -> int:
        made.append(name)
        return len(value)

    sizes: Remembered[tuple[str, str], int] = Remembered(make)
    assert [sizes[name, "four"] for name in ("a", "b", "a")] == [4, 4, 4]
    assert made == ["a", "b"]


def test_what_is_kept_is_bounded_in_number_and_length() -> None:
    sizes: Remembered[tuple[str | int], int] = Remembered(lambda value: len(str(value)))
    assert sizes["x" * (LONGEST + 1),] == LONGEST + 1
    assert len(sizes) == 0
    for number in range(MOST * 2 + 1):
        assert sizes[number,] == len(str(number))
        assert len(sizes) <= MOST
    assert sizes[0,] == 1
