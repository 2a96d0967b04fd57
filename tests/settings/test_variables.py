from __future__ import annotations

import pytest

from proxy.settings.errors import SettingsError
from proxy.settings.keys import all_keys
from proxy.settings.variables import given

KEYS = all_keys()
NAMES = {"upstreams": frozenset({"my-own"}), "endpoints": frozenset[str]()}


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("ANTHROPIC_PROXY_DATA", ("data",)),
        ("ANTHROPIC_PROXY_RELAY_LISTEN", ("relay", "listen")),
        ("ANTHROPIC_PROXY_UPSTREAMS_ANTHROPIC_URL", ("upstreams", "anthropic", "url")),
        ("ANTHROPIC_PROXY_UPSTREAMS_MY_OWN_URL", ("upstreams", "my-own", "url")),
        ("ANTHROPIC_PROXY_ENDPOINTS_A_B_ON_DISCONNECT", ("endpoints", "a_b", "on_disconnect")),
    ],
)
def test_a_variable_gives_its_setting(variable: str, path: tuple[str, ...]) -> None:
    assert given({variable: "x"}, KEYS, NAMES) == {variable: path}


@pytest.mark.parametrize(
    "variable",
    [
        "HOME",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_PROXY_CONFIG",
        "ANTHROPIC_PROXY_CACHE",
        "ANTHROPIC_PROXY_SERVICE_HOST",
        "ANTHROPIC_PROXY_SERVICE_PORT_HTTP",
        "ANTHROPIC_PROXY_PORT_8080_TCP_ADDR",
        "ANTHROPIC_PROXY_RELAY_SERVICE_PORT",
    ],
)
def test_variables_of_others_are_left_alone(variable: str) -> None:
    """Kubernetes gives such variables to every container beside a Service of this name."""
    assert given({variable: "x"}, KEYS, NAMES) == {}


def test_an_empty_variable_counts_as_unset() -> None:
    assert given({"ANTHROPIC_PROXY_RELAY_LISTEN": ""}, KEYS, NAMES) == {}


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        (
            "ANTHROPIC_PROXY_RELAY_LISTN",
            "ANTHROPIC_PROXY_RELAY_LISTN: is not a setting; did you mean ANTHROPIC_PROXY_RELAY_LISTEN?",
        ),
        ("ANTHROPIC_PROXY_Q", "ANTHROPIC_PROXY_Q: is not a setting; `anthropic-proxy config show` lists them"),
    ],
)
def test_a_variable_that_no_setting_has_is_an_error_with_a_suggestion(variable: str, sentence: str) -> None:
    """I5"""
    with pytest.raises(SettingsError) as raised:
        given({variable: "x"}, KEYS, NAMES)
    assert str(raised.value) == sentence
