"""What of a capture is stored per hop."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from proxy.exchange import Hop
from proxy.ledger import bodies, connect
from proxy.ledger.changes import Body
from proxy.ledger.folder import Folder
from proxy.reading.redact import Redactor
from proxy.relay.capture import Copy
from proxy.relay.stored import body_of, capture_reasons, headers_by_hop, stored_bodies
from tests.kit import laws
from tests.kit.laws import API_KEY
from tests.kit.process import Proxy, wait
from tests.kit.raw import post
from tests.kit.upstream import Upstream
from tests.relay.conftest import Relayed
from tests.relay.test_finish import captured

MODES = ("all", "errors", "none")
OPEN_ROWS = "SELECT * FROM exchanges WHERE outcome IS NULL ORDER BY endpoint"
BODY_OF = "SELECT size FROM exchange_bodies WHERE request_id = ?"
REDACTOR = Redactor([API_KEY], b"salt")


def copied(data: bytes, limit: int = 1000) -> Copy:
    copy = Copy(limit)
    copy.add(data)
    return copy


def test_a_hop_equal_to_its_neighbour_names_it() -> None:
    stored = stored_bodies(captured(), REDACTOR, kept=True)
    assert stored[Hop.UPSTREAM_REQUEST] is Hop.CLIENT_REQUEST
    assert stored[Hop.CLIENT_RESPONSE] is Hop.UPSTREAM_RESPONSE


def test_an_answer_of_ours_is_stored_as_what_the_client_got() -> None:
    capture = replace(captured(), own_answer=b"no", upstream_headers=(), attempts=[])
    stored = stored_bodies(capture, REDACTOR, kept=True)
    answer = stored[Hop.CLIENT_RESPONSE]
    assert isinstance(answer, Body)
    assert (b"".join(answer.chunks), set(stored)) == (b"no", {Hop.CLIENT_REQUEST, Hop.CLIENT_RESPONSE})


def test_why_a_body_is_not_whole_is_said() -> None:
    """S0-28"""
    whole, head = (
        body_of(copied(b"abc"), None, REDACTOR, kept=True),
        body_of(copied(b"abc", 2), None, REDACTOR, kept=True),
    )
    off = body_of(copied(b"abc"), None, REDACTOR, kept=False)
    dropped = copied(b"abc")
    dropped.drop("queue_full")
    shed = body_of(dropped, None, REDACTOR, kept=True)
    assert [body.capture for body in (whole, head, off, shed)] == [None, "too_large", "off", "queue_full"]
    assert {(body.size, body.sha256) for body in (whole, head, off, shed)} == {(3, whole.sha256)}
    assert capture_reasons({Hop.CLIENT_REQUEST: head, Hop.UPSTREAM_RESPONSE: whole}) == {
        "redacted": False,
        "request_capture": "too_large",
        "response_capture": None,
    }


def test_a_masked_body_is_marked() -> None:
    """L5"""
    body = body_of(copied(b"key: " + API_KEY.encode()), None, REDACTOR, kept=True)
    assert body.redacted
    assert API_KEY.encode() not in b"".join(body.chunks)


def test_a_secret_that_the_limit_cuts_is_not_stored_in_part() -> None:
    """L5"""
    whole = b"key: " + API_KEY.encode() + b" and more"
    for limit in range(5 + 8, 5 + len(API_KEY)):
        assert b"".join(body_of(copied(whole, limit), None, REDACTOR, kept=True).chunks) == b"key: "


def test_only_hops_that_there_were_have_headers() -> None:
    refused = replace(captured(), upstream_headers=(), returned_headers=(), attempts=[])
    assert set(headers_by_hop(refused)) == {Hop.CLIENT_REQUEST}
    assert set(headers_by_hop(captured())) == set(Hop)


@pytest.fixture(scope="module")
def modes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    """A proxy with one endpoint per mode of capture, and one whose upstream cannot be reached."""
    upstream = Upstream()
    with upstream.running():
        sections = [f'[endpoints.{mode}]\nupstreams = ["anthropic"]\ncapture = "{mode}"' for mode in MODES]
        refusing = (
            '[upstreams.gone]\nurl = "http://127.0.0.1:9"\n[endpoints.gone]\nupstreams = ["gone"]\ncapture = "errors"'
        )
        proxy = Proxy(tmp_path_factory.mktemp("modes"), upstream.url, rest="\n".join([*sections, refusing]))
        with proxy.running():
            yield Relayed(proxy, upstream)
            laws.check(proxy)


def on_disk(proxy: Proxy, request_id: str, hop: Hop) -> bytes | None:
    with contextlib.closing(connect.reader(Folder(proxy.data).ledger)) as conn:
        stored = bodies.get(conn, request_id, hop)
    return stored.read() if stored is not None and stored.stored_size else None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", ["200 OK", "529 Overloaded"])
@pytest.mark.parametrize("asked", ["", "x-proxy-capture: off\r\n"], ids=["", "off"])
def test_each_mode_of_capture_stores_just_what_it_says(modes: Relayed, mode: str, status: str, asked: str) -> None:
    """F-41"""
    modes.upstream.script = lambda talk: talk.answer(b'{"an": "answer"}', status=status)
    reply = modes.ask(post(f"/{mode}/v1/messages", b'{"a": "prompt"}', asked))
    row = modes.proxy.exchange(reply.request_id)
    kept = not asked and (mode == "all" or (mode == "errors" and status[0] == "5"))
    found = [on_disk(modes.proxy, row["request_id"], hop) for hop in Hop]
    assert found == ([b'{"a": "prompt"}'] * 2 + [b'{"an": "answer"}'] * 2 if kept else [None] * 4)
    assert (row["request_capture"], row["response_capture"]) == ((None, None) if kept else ("off", "off"))
    assert modes.last.values(b"x-proxy-capture") == []


@pytest.mark.parametrize("asked", ["", "x-proxy-capture: off\r\n"], ids=["", "off"])
def test_an_error_of_our_own_is_kept_with_the_request_unless_that_is_unwanted(modes: Relayed, asked: str) -> None:
    """F-41"""
    reply = modes.ask(post("/gone/v1/messages", b'{"a": "prompt"}', asked))
    row = modes.proxy.exchange(reply.request_id)
    assert row["outcome"] == "upstream_unreachable"
    found = [on_disk(modes.proxy, row["request_id"], hop) for hop in (Hop.CLIENT_REQUEST, Hop.CLIENT_RESPONSE)]
    assert found == ([None, None] if asked else [b'{"a": "prompt"}', reply.body])


def test_requests_that_a_dead_process_left_open_have_the_bodies_that_their_mode_allows(modes: Relayed) -> None:
    """F-41"""
    modes.upstream.script = lambda talk: talk.wait_closed()
    paths = {"all": None, "errors": "interrupted", "none": "off"}
    with contextlib.ExitStack() as stack:
        for path in paths:
            connection = stack.enter_context(modes.connect())
            connection.send(post(f"/{path}/v1/messages", b'{"a": "prompt"}'))
        wait(lambda: len(modes.proxy.rows(OPEN_ROWS)) == 3, "three open rows")
        wait(lambda: modes.proxy.rows(BODY_OF, modes.proxy.rows(OPEN_ROWS)[0]["request_id"]), "the body of the first")
        rows = modes.proxy.rows(OPEN_ROWS)
        os.kill(modes.proxy.pid("relay"), signal.SIGKILL)
        for row in rows:
            assert modes.proxy.exchange(row["request_id"])["outcome"] == "interrupted"
    found = {row["endpoint"]: on_disk(modes.proxy, row["request_id"], Hop.CLIENT_REQUEST) for row in rows}
    assert found == {"all": b'{"a": "prompt"}', "errors": None, "none": None}
    assert {row["endpoint"]: row["request_capture"] for row in rows} == paths
