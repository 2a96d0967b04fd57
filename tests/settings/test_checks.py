from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings.addresses import Address
from proxy.settings.checks import refuse_loops
from proxy.settings.errors import SettingsError
from proxy.settings.load import load
from proxy.settings.shape import Settings, Upstream

WRONG = [
    ('[relay]\nlisten = "8080"', 'relay.listen = "8080": expected HOST:PORT such as 127.0.0.1:8080'),
    (
        '[relay]\nlisten = "0.0.0.0:8080"',
        'relay.listen = "0.0.0.0:8080" lets other machines in; name the hosts they use in relay.allowed_hosts',
    ),
    (
        '[inspector]\nlisten = "[::]:8081"',
        'inspector.listen = "[::]:8081" lets other machines in; name the hosts they use in inspector.allowed_hosts',
    ),
    (
        '[relay]\nallowed_hosts = ["proxy:8080"]',
        'relay.allowed_hosts names "proxy:8080": expected a host name without port',
    ),
    (
        '[inspector]\nlisten = "127.0.0.1:8080"',
        'inspector.listen = "127.0.0.1:8080" is the relay\'s address too; change one',
    ),
    (
        '[upstreams.a]\nurl = "http://localhost:8080"',
        'upstreams.a.url = "http://localhost:8080" is this proxy itself; name the server behind it',
    ),
    (
        '[upstreams.a]\nurl = "http://127.0.0.1:8081/x"',
        'upstreams.a.url = "http://127.0.0.1:8081/x" is this proxy itself; name the server behind it',
    ),
    (
        '[upstreams.a]\nurl = "api.anthropic.com"',
        'upstreams.a.url = "api.anthropic.com": expected a URL such as https://api.anthropic.com',
    ),
    (
        '[upstreams.a]\nurl = "https://a/?b"',
        'upstreams.a.url = "https://a/?b": expected a URL without query and fragment, in ASCII',
    ),
    (
        '[upstreams.a]\nurl = "https://user:canary@a"',
        "upstreams.a.url holds a credential; send it in the request's headers",
    ),
    (
        '[upstreams.A]\nurl = "https://a"',
        'upstreams.A.url stands under the name "A": expected lower-case letters, digits, - and _',
    ),
    (
        '[endpoints."a b"]\npath = "/a"',
        'endpoints.a b.path stands under the name "a b": expected lower-case letters, digits, - and _',
    ),
    (
        "[relay]\nmax_headers = 101",
        'relay.max_headers = 101: zttp takes at most 100; lower it or set relay.parser = "h11"',
    ),
    (
        '[retention]\nbodies = "91d"',
        'retention.bodies = "91d" is longer than retention.metadata (90d), when bodies go, too; shorten it or lengthen'
        " that",
    ),
    ('[endpoints.a]\npath = "/a/b"', 'endpoints.a.path = "/a/b": expected one segment such as "/production"'),
    ('[endpoints.a]\npath = "/.."', 'endpoints.a.path = "/..": expected one segment such as "/production"'),
    ('[endpoints.a]\npath = "/v1"', 'endpoints.a.path = "/v1" begins every client\'s requests; choose another'),
    ('[endpoints.a]\npath = "/readyz"', 'endpoints.a.path = "/readyz" is answered by the proxy itself; choose another'),
    ('[endpoints.a]\nupstreams = ["b"]', 'endpoints.a.upstreams names "b": expected one of anthropic'),
    ("[endpoints.a]\nupstreams = []", "endpoints.a.upstreams is empty; name one of anthropic"),
    (
        '[endpoints.a]\nupstreams = ["anthropic", "anthropic"]',
        "endpoints.a.upstreams names several: failover is not built yet; name one",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG, ids=[sentence[:40] for _, sentence in WRONG])
def test_a_rule_that_is_broken_is_named_with_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    """I5, H9"""
    (tmp_path / "anthropic-proxy.toml").write_text(text)
    with pytest.raises(SettingsError) as raised:
        load(environ={}, folder=tmp_path)
    assert str(raised.value) == f"anthropic-proxy.toml:2: {sentence}"


def test_two_endpoints_cannot_share_a_path(tmp_path: Path) -> None:
    (tmp_path / "anthropic-proxy.toml").write_text('[endpoints.a]\n[endpoints.b]\npath = "/a"')
    with pytest.raises(SettingsError) as raised:
        load(environ={}, folder=tmp_path)
    assert str(raised.value) == 'anthropic-proxy.toml:3: endpoints.b.path = "/a" is the path of a too'


@pytest.mark.parametrize("host", ["proxy.example.com", "*", "[::1]", "10.0.0.1", "a"])
def test_named_hosts_let_other_machines_in(tmp_path: Path, host: str) -> None:
    environ = {"ANTHROPIC_PROXY_RELAY_LISTEN": "0.0.0.0:1", "ANTHROPIC_PROXY_RELAY_ALLOWED_HOSTS": host}
    assert load(environ=environ, folder=tmp_path).settings.relay.allowed_hosts == (host,)


def test_a_loop_is_found_once_the_port_is_known() -> None:
    settings = Settings(data=Path("/data"), upstreams={"a": Upstream(url="http://127.0.0.1:4321")})
    refuse_loops(settings, [Address("127.0.0.1", 4322)])
    with pytest.raises(SettingsError, match=r"^upstreams\.a\.url = .* is this proxy itself"):
        refuse_loops(settings, [Address("127.0.0.1", 4321)])
