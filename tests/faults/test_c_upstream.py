"""Group C, reaching the upstream: connections, TLS, time-outs, retries, isolation, what the environment says."""

from __future__ import annotations

import ast
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil
import pytest

from benchmarks.processes import free_port
from proxy.relay.upstream.origin import MOST_REPLAYS
from tests.kit import certificates, laws
from tests.kit.faultproxy import Fault, FaultProxy
from tests.kit.process import Proxy, wait
from tests.kit.raw import MESSAGES, ask, get, post
from tests.kit.upstream import DELTA, END, START, Talk, Upstream, ok
from tests.relay.conftest import FAST, Relayed

PRODUCT = Path(__file__).parent.parent.parent / "proxy"
EVENTS = [START, DELTA, END]
KEY = f"x-api-key: {laws.API_KEY}\r\n"


@dataclass
class Unreachable:
    """A proxy whose endpoints lead to upstreams that cannot be had, and the servers behind those."""

    proxy: Proxy
    servers: dict[str, Upstream]


@pytest.fixture(scope="module")
def unreachable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unreachable]:
    """One endpoint for each way not to be reached; the authority is trusted, so that each has one fault only."""
    folder = tmp_path_factory.mktemp("unreachable")
    authority = certificates.authority(folder)
    contexts = {
        "good": certificates.server(folder),
        "expired": certificates.server(folder, expired=True),
        "wrong-name": certificates.server(folder, "DNS:other.test"),
        "self-signed": certificates.server(folder, signed=False),
        "plain": None,
    }
    with contextlib.ExitStack() as stack:
        servers = {name: Upstream(context=context) for name, context in contexts.items()}
        for server in servers.values():
            stack.enter_context(server.running())
        urls = {name: f"https://127.0.0.1:{server.port}" for name, server in servers.items()}
        urls["refused"] = f"http://127.0.0.1:{free_port()}"
        urls["unknown"] = "http://no-such-host.invalid"
        urls["silent"] = f"http://127.0.0.1:{stack.enter_context(_unanswering())}"
        sections = [
            f'[upstreams.{name}]\nurl = "{url}"\n[endpoints.{name}]\npath = "/{name}"\nupstreams = ["{name}"]\n'
            for name, url in urls.items()
        ]
        env = {"SSL_CERT_FILE": str(authority)}
        relay = FAST.replace("\nheader_timeout = 1", "\nheader_timeout = 5")  # else it is over with the other's
        proxy = Proxy(folder, urls["refused"], relay=relay, rest="".join(sections), env=env)
        stack.enter_context(proxy.running())
        yield Unreachable(proxy, servers)


@contextlib.contextmanager
def _unanswering() -> Iterator[int]:
    """A port whose queue of connections is full: further ones get no answer at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("endpoint", "status", "outcome", "error_type"),
    [
        ("refused", 502, "upstream_unreachable", "connect"),
        ("unknown", 502, "upstream_unreachable", "dns"),
        ("silent", 504, "upstream_timeout", "connect_timeout"),
    ],
)
def test_c1_an_upstream_without_a_connection_is_a_gateway_error_within_seconds(
    unreachable: Unreachable, endpoint: str, status: int, outcome: str, error_type: str
) -> None:
    proxy, start = unreachable.proxy, time.monotonic()
    reply = ask(proxy.base_url, post(f"/{endpoint}/v1/messages", b'{"model": "claude-sonnet-4-6"}'))
    assert time.monotonic() - start < 10
    assert (reply.status, reply.value(b"x-proxy-error")) == (status, error_type.encode())
    assert reply.json()["type"] == "error"
    row = proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"], row["status"]) == (outcome, error_type, status)
    assert row["model"] == "claude-sonnet-4-6"
    laws.check(proxy)


def test_c1_a_request_that_found_no_connection_was_not_sent(unreachable: Unreachable) -> None:
    proxy = unreachable.proxy
    row = proxy.exchange(ask(proxy.base_url, get("/refused/v1/models")).request_id)
    [attempt] = proxy.rows("SELECT * FROM attempts WHERE request_id = ?", row["request_id"])
    assert (row["error_type"], row["sent_ms"], attempt["sent_ms"]) == ("connect", None, None)
    laws.check(proxy)


@pytest.mark.parametrize("endpoint", ["expired", "wrong-name", "self-signed", "plain"])
def test_c2_an_upstream_that_proves_nothing_is_a_502_and_is_sent_nothing(
    unreachable: Unreachable, endpoint: str
) -> None:
    proxy = unreachable.proxy
    reply = ask(proxy.base_url, post(f"/{endpoint}/v1/messages", b"{}", KEY))
    assert reply.status == 502
    row = proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"]) == ("upstream_unreachable", "tls")
    assert unreachable.servers[endpoint].seen == []
    laws.check(proxy)


def test_c2_an_upstream_that_proves_its_name_is_used_over_one_connection(unreachable: Unreachable) -> None:
    for _ in range(3):
        assert ask(unreachable.proxy.base_url, post("/good/v1/messages", b"{}")).body == b'{"ok":true}'
    server = unreachable.servers["good"]
    assert (len(server.seen), server.connections) == (3, 1)
    laws.check(unreachable.proxy)


def test_c2_no_code_weakens_the_check_of_certificates() -> None:
    weak = {"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "check_hostname", "verify_mode"}
    found = []
    for path in PRODUCT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
            named_off = ("verify=False", "verify_ssl=False", "ssl=False")
            off = isinstance(node, ast.keyword) and ast.unparse(node) in named_off
            if named in weak or off:
                found.append(f"{path}:{getattr(node, 'lineno', 0)}")
    assert found == []


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\ncontent-type: te"], ids=["nothing", "half a head"])
def test_c3_silence_before_the_headers_is_a_504(relayed: Relayed, begun: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.send(begun)
        talk.wait_closed()

    relayed.upstream.script = script
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.value(b"x-proxy-error")) == (504, b"header_timeout")
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"], row["status"]) == ("upstream_timeout", "header_timeout", 504)
    wait(lambda: relayed.last.closed_at is not None, "the upstream connection to be closed")
    assert len(relayed.upstream.seen) == 1


def test_c3_an_upstream_that_takes_no_more_of_an_upload_is_a_504(relayed: Relayed) -> None:
    """The client sent all that it was let: it is not told that its body stopped arriving."""
    release = threading.Event()

    def early(talk: Talk) -> None:
        release.wait(20)
        talk.close()

    relayed.upstream.early = early
    with relayed.connect() as connection:
        connection.send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000000\r\n\r\n")
        connection.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.send(*[b"a" * 1_000_000] * 400)
        connection.sock.settimeout(20)
        reply = connection.reply()
    release.set()
    assert (reply.status, reply.value(b"x-proxy-error")) == (504, b"header_timeout")
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"], row["sent_ms"]) == ("upstream_timeout", "header_timeout", None)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Internal Server Error", "529 Overloaded", "502 Bad"])
def test_c4_an_upstreams_error_answer_passes_verbatim(relayed: Relayed, status: str) -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_9"}'
    headers = "Retry-After: 7\r\nrequest-id: req_9\r\nanthropic-ratelimit-requests-remaining: 0\r\n"
    relayed.upstream.script = lambda talk: talk.answer(body, status=status, headers=headers)
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.body) == (int(status[:3]), body)
    for field in ((b"Retry-After", b"7"), (b"request-id", b"req_9"), (b"anthropic-ratelimit-requests-remaining", b"0")):
        assert field in reply.headers
    row = relayed.proxy.exchange(reply.request_id)
    told = (row["outcome"], row["error_type"], row["error_message"])
    assert told == ("upstream_error", "overloaded_error", "Overloaded")
    assert len(relayed.upstream.seen) == 1


def test_c4_an_html_error_page_passes_verbatim_as_other(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.answer(b"<html>bad</html>", status="502 Bad", content_type="text/html")
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.body) == (502, b"<html>bad</html>")
    assert relayed.proxy.exchange(reply.request_id)["error_type"] == "other"


def reset(talk: Talk) -> None:
    talk.stream([START, DELTA], end=False)
    time.sleep(0.1)
    talk.reset()


def cut(talk: Talk) -> None:
    talk.stream([START, DELTA], end=False)
    talk.close()


def cut_inside_a_chunk(talk: Talk) -> None:
    talk.stream([START], end=False)
    talk.send(b"400\r\n" + DELTA)
    talk.close()


def short(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 10000\r\n\r\n" + START + DELTA)
    talk.close()


def stall(talk: Talk) -> None:
    talk.stream([START, DELTA], end=False)
    talk.wait_closed()


def _breaks_off(relayed: Relayed, script: object, outcome: str, error_type: str) -> None:
    """The client's connection breaks where the upstream's did: no ending is invented, usage so far is kept."""
    relayed.upstream.script = script  # type: ignore[assignment]
    reply = relayed.ask(MESSAGES)
    assert (reply.status, reply.ended, reply.body) == (200, False, START + DELTA)
    row = relayed.proxy.exchange(reply.request_id)
    assert (row["outcome"], row["error_type"]) == (outcome, error_type)
    assert (row["usage_source"], row["input_tokens"], row["response_bytes"]) == ("partial", 25, len(START + DELTA))
    assert len(relayed.upstream.seen) == 1


def test_c5_a_reset_stream_breaks_the_clients_connection_too(relayed: Relayed) -> None:
    _breaks_off(relayed, reset, "truncated", "reset")


def test_c5_many_resets_leave_no_connection_and_no_task_behind(relayed: Relayed) -> None:
    """L6"""
    relay = psutil.Process(relayed.proxy.pid("relay"))
    relayed.upstream.script = ok
    relayed.ask(MESSAGES)
    before = relay.num_fds()
    relayed.upstream.script = reset
    for _ in range(8):
        assert not relayed.ask(MESSAGES).ended
    wait(lambda: relay.num_fds() <= before, "descriptors to be given back")


@pytest.mark.parametrize("script", [cut, cut_inside_a_chunk, short])
def test_c6_a_truncated_stream_breaks_the_clients_connection_too(relayed: Relayed, script: object) -> None:
    _breaks_off(relayed, script, "truncated", "truncated")


def test_c6_a_bad_chunk_breaks_the_clients_connection_too(relayed: Relayed) -> None:
    def script(talk: Talk) -> None:
        talk.stream([START, DELTA], end=False)
        time.sleep(0.1)
        talk.send(b"0x5\r\nabcde\r\n0\r\n\r\n")
        talk.wait_closed()

    _breaks_off(relayed, script, "truncated", "truncated")
    assert relayed.last.closed_at is not None


def test_c7_a_stalled_stream_breaks_the_clients_connection_too(relayed: Relayed) -> None:
    _breaks_off(relayed, stall, "upstream_timeout", "idle_timeout")
    wait(lambda: relayed.last.closed_at is not None, "the upstream connection to be closed")


def close_after_answer(talk: Talk) -> None:
    talk.answer(talk.seen.body)
    talk.close()


def reset_after_answer(talk: Talk) -> None:
    talk.answer(talk.seen.body)
    talk.reset()


@pytest.mark.parametrize("script", [close_after_answer, reset_after_answer])
def test_c8_connections_that_the_upstream_closes_after_each_answer_go_unnoticed(
    relayed: Relayed, script: object
) -> None:
    relayed.upstream.script = script  # type: ignore[assignment]
    bodies = [b'{"n": %d}' % number for number in range(300)]
    with relayed.connect() as connection:
        for body in bodies:
            connection.send(post("/v1/messages", body))
            reply = connection.reply()
            assert (reply.status, reply.body) == (200, body)
    assert [seen.body for seen in relayed.upstream.seen] == bodies


@pytest.mark.parametrize("polite", [True, False], ids=["closed", "reset"])
def test_c8_a_request_into_a_dying_connection_is_sent_once_more_on_a_fresh_one(relayed: Relayed, polite: bool) -> None:
    """Every second request of a connection is read and not answered."""

    def script(talk: Talk) -> None:
        if [seen.connection for seen in relayed.upstream.seen].count(talk.seen.connection) == 1:
            talk.answer(talk.seen.body)
        elif polite:
            talk.close()
        else:
            talk.reset()

    relayed.upstream.script = script
    bodies = [b'{"n": %d}' % number for number in range(100)]
    ids = []
    for body in bodies:
        reply = relayed.ask(post("/v1/messages", body))
        assert (reply.status, reply.body) == (200, body)
        ids.append(reply.request_id)
    arrived = [seen.body for seen in relayed.upstream.seen]
    assert [body for body in bodies if arrived.count(body) > 2] == []
    assert len(bodies) + 10 <= len(arrived) <= len(bodies) * 1.2 + MOST_REPLAYS, "C9: a fifth more, and the first few"
    assert _attempts(relayed, ids) == len(arrived)


def test_c8_without_a_whole_copy_or_with_a_byte_of_answer_a_dead_connection_is_a_502(tmp_path: Path) -> None:
    with Upstream().running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay=FAST, rest="[capture]\nmax_request = 1000")
        with proxy.running():
            for body, begun in ((b"a" * 2000, b""), (b"{}", b"H")):
                upstream.script = ok
                ask(proxy.base_url, get("/v1/models"))
                upstream.seen.clear()

                def script(talk: Talk, begun: bytes = begun) -> None:
                    talk.send(begun)
                    talk.close()

                upstream.script = script
                reply = ask(proxy.base_url, post("/v1/messages", body))
                assert (reply.status, reply.value(b"x-proxy-error")) == (502, b"reset")
                assert len(upstream.seen) == 1
            laws.check(proxy)


def test_c9_a_request_that_was_answered_with_a_byte_is_never_sent_again(relayed: Relayed) -> None:
    relayed.ask(get("/"))

    def half(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-")
        talk.reset()

    relayed.upstream.script = half
    reply = relayed.ask(MESSAGES)
    assert reply.status == 502
    assert [seen.line for seen in relayed.upstream.seen].count(b"POST /v1/messages HTTP/1.1") == 1
    relayed.proxy.exchange(reply.request_id)
    attempts = relayed.proxy.rows("SELECT * FROM attempts WHERE request_id = ?", reply.request_id)
    assert [attempt["error_type"] for attempt in attempts] == ["reset"]


@pytest.mark.parametrize("polite", [True, False], ids=["closed", "reset"])
def test_c9_a_request_whose_fresh_connection_breaks_is_never_sent_again(tmp_path: Path, polite: bool) -> None:
    """What happened upstream is not known."""
    with Upstream(script=lambda talk: talk.close() if polite else talk.reset()).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay=FAST)
        with proxy.running():
            ids = [ask(proxy.base_url, MESSAGES).request_id for _ in range(5)]
            assert [seen.body for seen in upstream.seen] == [MESSAGES.split(b"\r\n\r\n")[1]] * 5
            assert _attempts(Relayed(proxy, upstream), ids) == 5
            laws.check(proxy)


def test_c9_a_second_dead_connection_ends_the_request(relayed: Relayed) -> None:
    """One connection is replaced, not one after the other."""
    relayed.ask(get("/"))
    relayed.upstream.seen.clear()
    relayed.upstream.script = lambda talk: talk.close()
    assert relayed.ask(MESSAGES).status == 502
    assert len(relayed.upstream.seen) <= 2


def _attempts(relayed: Relayed, ids: list[str | None]) -> int:
    """How many attempts the records of these requests tell of."""
    total = 0
    for request_id in ids:
        relayed.proxy.exchange(request_id)
        total += len(relayed.proxy.rows("SELECT 1 FROM attempts WHERE request_id = ?", request_id))
    return total


def test_c9_answers_cross_a_bad_line_unmixed(tmp_path: Path) -> None:
    """Slow, sliced and now and then reset: every answer is the own one or an error, and none is made up."""
    with Upstream(script=lambda talk: talk.answer(talk.seen.body)).running() as upstream:
        line = FaultProxy(("127.0.0.1", upstream.port))
        with line.running():
            proxy = Proxy(tmp_path, line.url, relay=FAST)
            with proxy.running():
                for number, fault in zip(range(60), _faults(), strict=False):
                    line.set(down=fault)
                    body = b'{"n": %d}' % number
                    reply = ask(proxy.base_url, post("/v1/messages", body))
                    assert reply.body == body or reply.status == 502 or not reply.ended, reply
                laws.check(proxy)


def _faults() -> Iterator[Fault]:
    for number in count():
        yield Fault(slice=7, latency=0.005)
        yield Fault(then="reset", after=30 + number)
        yield Fault(then="close", after=120 + number)
        yield Fault()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_c10_redirects_are_returned_and_never_followed(relayed: Relayed, status: int) -> None:
    with Upstream().running() as evil:
        location = f"location: {evil.url}/v1/messages\r\n"
        relayed.upstream.script = lambda talk: talk.answer(b"", status=f"{status} Moved", headers=location)
        reply = relayed.ask(MESSAGES)
        assert (reply.status, reply.value(b"location")) == (status, f"{evil.url}/v1/messages".encode())
        assert evil.connections == 0


def test_c17_a_cookie_reaches_its_client_only_and_none_is_invented(relayed: Relayed) -> None:
    relayed.upstream.script = lambda talk: talk.answer(
        b"{}", headers="Set-Cookie: session=1; Path=/\r\nset-cookie: b=2\r\n"
    )
    first = relayed.ask(MESSAGES)
    assert [field for field in first.headers if field[0].lower() == b"set-cookie"] == [
        (b"Set-Cookie", b"session=1; Path=/"),
        (b"set-cookie", b"b=2"),
    ]
    relayed.upstream.script = ok
    for request in (MESSAGES, get("/v1/models"), post("/staging/v1/messages", b"{}")):
        reply = relayed.ask(request)
        assert reply.value(b"set-cookie") is None
        assert relayed.last.values(b"cookie") == []


def test_c24_the_environment_names_no_proxy_no_password_and_no_key_log(tmp_path: Path) -> None:
    authority = certificates.authority(tmp_path)
    with Upstream(context=certificates.server(tmp_path)).running() as upstream, Upstream().running() as evil:
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login someone password secret\ndefault login someone password secret\n")
        netrc.chmod(0o600)
        proxies = {
            name: evil.url for base in ("http_proxy", "https_proxy", "all_proxy") for name in (base, base.upper())
        }
        files = {"HOME": str(tmp_path), "NETRC": str(netrc), "SSLKEYLOGFILE": str(tmp_path / "keys")}
        env = {**proxies, **files, "SSL_CERT_FILE": str(authority), "NO_PROXY": "", "no_proxy": ""}
        proxy = Proxy(tmp_path, upstream.url, relay=FAST, env=env)
        with proxy.running():
            assert ask(proxy.base_url, post("/v1/messages", b"{}", KEY)).status == 200
            [seen] = upstream.seen
            assert (seen.values(b"authorization"), seen.values(b"proxy-authorization")) == ([], [])
            laws.check(proxy)
        assert evil.connections == 0
        assert b"_TRAFFIC_SECRET" not in b"".join(path.read_bytes() for path in tmp_path.glob("keys*"))


@pytest.mark.parametrize("loop", ["http://127.0.0.1:{port}", "http://localhost:{port}/staging"])
def test_c25_an_upstream_that_is_this_proxy_is_refused_at_the_start(tmp_path: Path, loop: str) -> None:
    port = free_port()
    config = tmp_path / "anthropic-proxy.toml"
    config.write_text(
        f'[relay]\nlisten = "127.0.0.1:{port}"\n[upstreams.anthropic]\nurl = "{loop.format(port=port)}"\n'
    )
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(config), "--data", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done
    assert "is this proxy itself" in done.stdout + done.stderr
