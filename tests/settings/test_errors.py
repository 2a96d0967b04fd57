from __future__ import annotations

import pytest

from proxy.settings.errors import SettingsError


@pytest.mark.parametrize(
    ("where", "sentence"),
    [("anthropic-proxy.toml:3", "anthropic-proxy.toml:3: it is wrong"), (None, "it is wrong")],
)
def test_a_mistake_is_one_sentence_that_begins_with_its_place(where: str | None, sentence: str) -> None:
    assert str(SettingsError("it is wrong", where=where)) == sentence


def test_what_a_terminal_would_obey_is_escaped() -> None:
    """H15"""
    assert str(SettingsError("a\x1b[31mb\nc\u2028d ü")) == "a\\x1b[31mb\\x0ac\\x2028d ü"
