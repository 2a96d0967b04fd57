"""Group A on both parsers: where a request leads, and which headers travel with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.parsers import HOST, PARSERS, client_headers, fresh, refused, running
from tests.kit.laws import API_KEY, OAUTH_TOKEN
from tests.kit.raw import get, post
from tests.kit.upstream import Upstream
from tests.relay.conftest import Relayed

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=PARSERS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    with running(tmp_path_factory.mktemp("proxy"), request.param) as relayed:
        yield relayed


@pytest.fixture
def relayed(installation: Relayed) -> Iterator[Relayed]:
    yield from fresh(installation)


@pytest.fixture(scope="module")
def evil() -> Iterator[Upstream]:
    """A server that must never be asked anything."""
    with Upstream().running() as evil:
        yield evil
        assert evil.connections == 0


@pytest.mark.parametrize("host", [b"", b"Host: localhost\r\nHost: localhost\r\n", b"Host: a b/c@d\r\n", b"Host:\r\n"])
def test_a7_a_request_without_one_good_host_is_refused(relayed: Relayed, host: bytes) -> None:
    refused(relayed, b"GET /v1/models HTTP/1.1\r\n" + host + b"\r\n", 400)


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "127.0.0.2", "[::2]:1"])
def test_a7_a_host_that_nobody_allowed_is_refused(relayed: Relayed, host: str) -> None:
    refused(relayed, get("/v1/models", host=host), 403)


TARGETS = [
    "http://127.0.0.1:{port}/x",
    "https://127.0.0.1:{port}/x",
    "//127.0.0.1:{port}/x",
    "/\\127.0.0.1:{port}/x",
    "\\\\127.0.0.1:{port}/x",
    "@127.0.0.1:{port}/x",
    "127.0.0.1:{port}/x",
    ":{port}/x",
    "/#@127.0.0.1:{port}/",
    "*",
    "?x",
    "",
]


@pytest.mark.parametrize("target", TARGETS)
def test_a8_a_target_that_is_no_plain_absolute_path_is_refused(relayed: Relayed, evil: Upstream, target: str) -> None:
    refused(relayed, get(target.format(port=evil.port)), 400)
    assert evil.connections == 0


@MANY
@given(text=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30), form=st.sampled_from(TARGETS))
def test_a8_whatever_target_is_asked_for_the_configured_upstream_gets_it_unchanged_or_nobody(
    relayed: Relayed, evil: Upstream, text: str, form: str
) -> None:
    for target in (text, f"/{text}", text + form.format(port=evil.port)):
        relayed.upstream.seen.clear()
        reply = relayed.ask(get(target))
        assert reply.status in (200, 400)
        if reply.status == 200:
            kept = target[:-1] if target.find("?") == len(target) - 1 else target
            assert relayed.last.line == f"GET {kept} HTTP/1.1".encode()
            assert relayed.last.values(b"host") == [f"127.0.0.1:{relayed.upstream.port}".encode()]
        else:
            assert relayed.upstream.seen == []
    assert evil.connections == 0


@pytest.mark.parametrize(
    "target",
    [
        "/v1/a%2fb?x=%zz&y=a+b",
        "/v1/files/%C3%A9",
        "/v1/messages?beta=true",
        "/a//b;c=d,e@f:g",
        "/%2541/%252e%252e/x",
        "/v1/%zz",
        "/~user/$x!*'()",
        "/..a/b..",
        "/a?b=../c&d=%2e%2e%2f",
    ],
)
def test_a9_an_odd_but_clean_target_arrives_byte_for_byte(relayed: Relayed, target: str) -> None:
    assert relayed.ask(get(target)).status == 200
    assert relayed.last.line == f"GET {target} HTTP/1.1".encode()


@pytest.mark.parametrize(
    "target",
    [
        "/v1/../../admin",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/..%2fadmin",
        "/%2e%2e%5cadmin",
        "/a/./b",
        "/..",
        "/a%00b",
        "/a%00/../b",
    ],
)
def test_a9_dot_segments_and_nul_are_refused_and_never_resolved(relayed: Relayed, target: str) -> None:
    refused(relayed, get(target), 400)


@pytest.mark.parametrize("target", [b"/a\xe9b", b"/\xc3\xa9", b"/a?b=\xe9", b"/a\x7fb", b"/a\x01b", b"/a\tb"])
def test_a9_bytes_that_no_target_may_have_are_refused(relayed: Relayed, target: bytes) -> None:
    refused(relayed, b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400)


def test_a11_fields_of_one_hop_and_those_that_connection_names_stay_on_it(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.answer(
        b"{}", headers="Connection: X-Back\r\nX-Back: 1\r\nKeep-Alive: 5\r\nProxy-Authenticate: a\r\nX-Kept: 1\r\n"
    )
    reply = relayed.ask(
        get(
            "/",
            "Connection: X-Foo, authorization, keep-alive\r\nX-Foo: 1\r\nAuthorization: Bearer x\r\nKeep-Alive: 5\r\n"
            "Proxy-Authorization: a\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: X-A\r\nX-Bar: 1\r\n",
        )
    )
    assert [name for name, _ in relayed.last.headers] == [b"host", b"x-bar"]
    returned = {name.lower() for name, _ in reply.headers}
    assert returned == {b"content-type", b"content-length", b"x-kept", b"x-proxy-request-id"}


def test_a12_in_pass_through_the_callers_credentials_arrive_as_they_came(relayed: Relayed) -> None:
    fields = f"x-api-key: {API_KEY}\r\nAuthorization: Bearer {OAUTH_TOKEN}\r\nX_Api_Key: {API_KEY}\r\nX-API-KEY: b\r\n"
    relayed.ask(get("/", fields))
    assert sorted(relayed.last.headers[1:]) == sorted(
        [
            (b"x-api-key", API_KEY.encode()),
            (b"authorization", b"Bearer " + OAUTH_TOKEN.encode()),
            (b"x_api_key", API_KEY.encode()),
            (b"x-api-key", b"b"),
        ]
    )


def test_a12_without_a_credential_none_is_invented(relayed: Relayed) -> None:
    relayed.ask(get("/"))
    assert [name for name, _ in relayed.last.headers] == [b"host"]


def test_a13_what_proxies_note_about_a_client_is_neither_trusted_nor_forwarded(relayed: Relayed) -> None:
    fields = (
        "X-Forwarded-For: 10.0.0.7\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\n"
        "X-Real-IP: 10.0.0.7\r\nForwarded: for=10.0.0.7\r\nVia: 1.1 front\r\nCF-Connecting-IP: 10.0.0.7\r\n"
        "True-Client-IP: 10.0.0.7\r\nCF-Access-Client-Id: kept\r\n"
    )
    reply = relayed.ask(post("/v1/messages", b"{}", fields))
    assert reply.status == 200
    assert [name for name, _ in relayed.last.headers if name not in (b"host", b"content-length")] == [
        b"cf-access-client-id"
    ]
    row = relayed.proxy.exchange(reply.request_id)
    assert "10.0.0.7" not in str(row)


def test_a24_repeated_headers_keep_number_order_case_of_values_and_emptiness(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.answer(b"{}", headers="Set-Cookie: a\r\nset-cookie: B\r\nX-None:\r\n")
    fields = "anthropic-beta: a\r\nX-Empty:\r\nAnthropic-Beta: B,c\r\nX-Utf: é\r\nANTHROPIC-BETA: d\r\n"
    reply = relayed.ask(get("/", fields))
    assert relayed.last.headers[1:] == [
        (b"anthropic-beta", b"a"),
        (b"x-empty", b""),
        (b"anthropic-beta", b"B,c"),
        (b"x-utf", "é".encode()),
        (b"anthropic-beta", b"d"),
    ]
    kept = [pair for pair in reply.headers if pair[0].lower() in (b"set-cookie", b"x-none")]
    assert kept == [(b"Set-Cookie", b"a"), (b"set-cookie", b"B"), (b"X-None", b"")]
    sent = [value for name, value in client_headers(relayed.proxy, reply) if name == "anthropic-beta"]
    assert sent == ["a", "B,c", "d"]
