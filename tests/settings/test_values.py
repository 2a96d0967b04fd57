from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings.errors import SettingsError
from proxy.settings.keys import all_keys
from proxy.settings.values import Given, converted, shown

KEYS = {key.dotted: key for key in all_keys()}
FOLDER = Path("/folder")


@pytest.mark.parametrize(
    ("dotted", "value", "result"),
    [
        ("relay.max_body", "1KiB", 1024),
        ("relay.idle_timeout", "5m", 300.0),
        ("relay.idle_timeout", 7, 7.0),
        ("relay.max_headers", 9, 9),
        ("relay.allowed_hosts", ["a", "b"], ("a", "b")),
        ("log.color", False, False),
        ("inspector.metrics", "open", "open"),
        ("data", "ledger", Path("/folder/ledger")),
        ("data", "/elsewhere", Path("/elsewhere")),
        ("data", "~/x", Path.home() / "x"),
    ],
)
def test_a_value_becomes_what_its_key_holds(dotted: str, value: object, result: object) -> None:
    assert converted(Given(value, "x.toml:1", FOLDER), KEYS[dotted], dotted) == result


@pytest.mark.parametrize(
    ("dotted", "text", "result"),
    [
        ("relay.max_headers", "9", 9),
        ("relay.allowed_hosts", "a, b,", ("a", "b")),
        ("log.color", "false", False),
        ("relay.max_body", "10", 10),
    ],
)
def test_a_text_becomes_what_its_key_holds(dotted: str, text: str, result: object) -> None:
    assert converted(Given(text, "VARIABLE", FOLDER, textual=True), KEYS[dotted], dotted) == result


def test_a_wrong_value_is_named_with_place_key_value_and_expectation() -> None:
    """I5"""
    with pytest.raises(SettingsError) as raised:
        converted(Given("often", "x.toml:7", FOLDER), KEYS["capture.bodies"], "capture.bodies")
    assert str(raised.value) == 'x.toml:7: capture.bodies = "often": expected one of all, errors, none'


def test_the_home_of_nobody_is_a_wrong_value() -> None:
    """I5"""
    with pytest.raises(SettingsError, match=r'^x\.toml:7: data = "~no-such-user/x": expected the path'):
        converted(Given("~no-such-user/x", "x.toml:7", FOLDER), KEYS["data"], "data")


def test_a_long_value_is_cut_in_messages() -> None:
    assert len(shown("x" * 1000)) < 70
