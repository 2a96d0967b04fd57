"""From a path to an endpoint and an upstream URL."""

from __future__ import annotations

import pytest

from proxy.relay.routes import Routes, target
from proxy.settings.shape import Endpoint, Upstream

UPSTREAMS = {"main": Upstream(url="https://api.test/v9/"), "local": Upstream(url="http://[::1]:81", dialect="openai")}
ROUTES = Routes(
    {
        "production": Endpoint(path="/production", upstreams=("main",)),
        "default": Endpoint(path="", upstreams=("local",)),
    },
    UPSTREAMS,
)


@pytest.mark.parametrize(
    ("path", "endpoint", "sent"),
    [
        (b"/production/v1/messages", "production", "/v1/messages"),
        (b"/production", "production", "/"),
        (b"/production/", "production", "/"),
        (b"/productions/x", "default", "/productions/x"),
        (b"/", "default", "/"),
    ],
)
def test_the_first_segment_names_the_endpoint(path: bytes, endpoint: str, sent: str) -> None:
    """S0-32"""
    route = ROUTES.find(path)
    assert route is not None
    assert (route.endpoint_name, target(route, path, b"")) == (endpoint, sent)


def test_an_upstreams_own_path_goes_before_the_requests() -> None:
    route = ROUTES.find(b"/production/a")
    assert route is not None
    assert (route.base, route.server_address, route.server_port) == ("https://api.test/v9", "api.test", 443)
    assert target(route, b"/production/a", b"b=c") == "/a?b=c"


def test_without_a_default_endpoint_other_paths_belong_to_nobody() -> None:
    assert Routes({"a": Endpoint(path="/a", upstreams=("main",))}, UPSTREAMS).find(b"/b") is None
