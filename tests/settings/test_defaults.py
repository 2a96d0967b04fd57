from __future__ import annotations

import pytest

from proxy.settings.defaults import complete
from proxy.settings.errors import SettingsError

ANTHROPIC = {"url": "https://api.anthropic.com"}


@pytest.mark.parametrize(
    ("given", "upstreams", "endpoints"),
    [
        ({}, {"anthropic": ANTHROPIC}, {"default": {"path": "", "upstreams": ("anthropic",)}}),
        (
            {"endpoints": {"production": {}}},
            {"anthropic": ANTHROPIC},
            {"production": {"path": "/production", "upstreams": ("anthropic",)}},
        ),
        (
            {"endpoints": {"default": {}, "p": {"path": "/q"}}, "upstreams": {"mine": {"url": "http://x"}}},
            {"mine": {"url": "http://x"}, "anthropic": ANTHROPIC},
            {"default": {"path": "", "upstreams": ("mine",)}, "p": {"path": "/q", "upstreams": ("mine",)}},
        ),
        (
            {"upstreams": {"anthropic": {"url": "http://y"}}},
            {"anthropic": {"url": "http://y"}},
            {"default": {"path": "", "upstreams": ("anthropic",)}},
        ),
    ],
)
def test_upstreams_and_endpoints_are_completed_from_each_other(
    given: dict[str, object], upstreams: object, endpoints: object
) -> None:
    """S0-32: the built-in endpoint is off as soon as another is configured."""
    assert complete(given, {}) == {"upstreams": upstreams, "endpoints": endpoints}


def test_an_endpoint_must_choose_among_several_upstreams() -> None:
    given = {"upstreams": {"a": {"url": "http://a"}, "b": {"url": "http://b"}}, "endpoints": {"p": {"path": "/p"}}}
    with pytest.raises(SettingsError) as raised:
        complete(given, {"endpoints.p.path": "x.toml:6"})
    assert str(raised.value) == "x.toml:6: endpoints.p.upstreams is missing; name one of a, b"


def test_an_upstream_needs_a_url() -> None:
    with pytest.raises(SettingsError) as raised:
        complete({"upstreams": {"a": {"dialect": "openai"}}}, {"upstreams.a.dialect": "x.toml:2"})
    assert str(raised.value) == "x.toml:2: upstreams.a.url is missing; add it"


def test_a_redaction_rule_needs_a_pattern() -> None:
    with pytest.raises(SettingsError) as raised:
        complete({"capture": {"bodies": "all", "redact": {"a": {}}}}, {"capture.redact.a": "x.toml:2"})
    assert str(raised.value) == "x.toml:2: capture.redact.a.pattern is missing; add it"


def test_bodies_are_kept_no_longer_than_requests_unless_that_is_asked_for() -> None:
    assert complete({"retention": {"metadata": 3.0, "max_bytes": 1}}, {})["retention"] == {
        "metadata": 3.0,
        "max_bytes": 1,
        "bodies": 3.0,
    }
    assert complete({"retention": {"metadata": 1e9}}, {})["retention"] == {"metadata": 1e9, "bodies": 604_800.0}
    asked = {"metadata": 3.0, "bodies": 4.0}
    assert complete({"retention": asked}, {}).get("retention") == asked
