from __future__ import annotations

import click
import pytest

from proxy.cli.filtering import filter_of
from proxy.ledger.filters import Filter


def test_options_become_the_filter_of_the_pages() -> None:
    given = {"session": "s", "request": "px_1", "model": "opus", "until": "2026-11-21T12:00Z", "key": None}
    until = 1_795_262_400_000_000_000
    assert filter_of(given) == Filter(session_id="s", request_id="px_1", model="opus", until_ns=until)


@pytest.mark.parametrize(("option", "value"), [("since", "soon"), ("session", "\tb"), ("request", "x" * 300)])
def test_what_makes_no_sense_is_named_as_it_was_typed(option: str, value: str) -> None:
    with pytest.raises(click.UsageError, match=f"^--{option} must be"):
        filter_of({option: f"a{value}"})
