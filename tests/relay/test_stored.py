"""What of a capture is stored per hop."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from proxy.exchange import Hop
from proxy.ledger import bodies, connect
from proxy.ledger.changes import Body
from proxy.ledger.folder import Folder
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import TooSlow
from proxy.reading.redaction.spans import Masked
from proxy.reading.turns import Turn
from proxy.relay.capture import Capture, Copy
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


def stored(capture: Capture) -> Mapping[Hop, Body | Hop]:
    return stored_bodies(capture, REDACTOR, kept=True, failed=lambda: None).bodies


def body(copy: Copy, kept: bool = True) -> Body:
    return body_of(copy, None, REDACTOR, kept=kept, failed=lambda: None)[0]


def test_a_hop_equal_to_its_neighbour_names_it() -> None:
    hops = stored(captured())
    assert hops[Hop.UPSTREAM_REQUEST] is Hop.CLIENT_REQUEST
    assert hops[Hop.CLIENT_RESPONSE] is Hop.UPSTREAM_RESPONSE


def test_an_answer_of_ours_is_stored_as_what_the_client_got() -> None:
    hops = stored(replace(captured(), own_answer=b"no", upstream_headers=None, attempts=[]))
    answer = hops[Hop.CLIENT_RESPONSE]
    assert isinstance(answer, Body)
    assert (b"".join(answer.chunks), set(hops)) == (b"no", {Hop.CLIENT_REQUEST, Hop.CLIENT_RESPONSE})


def test_why_a_body_is_not_whole_is_said() -> None:
    """S0-28"""
    whole, head = body(copied(b"a b c")), body(copied(b"a b c", 4))
    off = body(copied(b"a b c", 4), kept=False)
    dropped = copied(b"a b c")
    dropped.drop("queue_full")
    shed = body(dropped)
    assert [each.capture for each in (whole, head, off, shed)] == [None, "too_large", "off", "queue_full"]
    assert {(each.size, each.sha256) for each in (whole, head, off, shed)} == {(5, whole.sha256)}
    assert head.chunks == (b"a b ",)
    assert capture_reasons({Hop.CLIENT_REQUEST: head, Hop.UPSTREAM_RESPONSE: whole}) == {
        "redacted": False,
        "request_capture": "too_large",
        "response_capture": None,
    }


def test_a_masked_body_is_marked_and_counted() -> None:
    """L5, N-19"""
    made, masked = body_of(copied(b"key: " + API_KEY.encode()), None, REDACTOR, kept=True, failed=lambda: None)
    assert made.redacted
    assert masked.found == {"caller": 1}
    assert API_KEY.encode() not in b"".join(made.chunks)


def test_a_secret_that_the_limit_cuts_is_not_stored_in_part() -> None:
    """L5"""
    whole = b"key: " + API_KEY.encode() + b" and more"
    for limit in range(5 + 1, 5 + len(API_KEY)):
        assert b"".join(body(copied(whole, limit)).chunks) == b"key: "


def test_a_secret_that_the_upstreams_end_cuts_is_not_stored_in_part() -> None:
    """L5, C12"""
    capture = replace(captured(), response=copied(b"you sent " + API_KEY.encode()[:-3]))
    made = stored_bodies(capture, REDACTOR, kept=True, failed=lambda: None, torn=True)
    answer = made.bodies[Hop.UPSTREAM_RESPONSE]
    assert isinstance(answer, Body)
    assert (answer.chunks, answer.redacted, made.found) == ((b"you sent ",), True, {"torn": 1})


class Failing(Redactor):
    """Cannot search a body."""

    def __init__(self, error: Exception) -> None:
        super().__init__([], b"")
        self._error = error

    def body(
        self, data: bytes, content_encoding: str | None = None, *, torn: bool = False, turn: Turn | None = None
    ) -> Masked:
        raise self._error


@pytest.mark.parametrize(("error", "counted"), [(TooSlow(), 0), (ZeroDivisionError(), 1)])
def test_what_cannot_be_searched_for_secrets_is_not_stored(error: Exception, counted: int) -> None:
    """D7, N-19"""
    failures: list[int] = []
    made, _ = body_of(copied(b"abc"), None, Failing(error), kept=True, failed=lambda: failures.append(1))
    assert (made.chunks, made.capture, made.size, len(failures)) == ((), "unsearched", 3, counted)


def test_a_body_that_was_found_clean_is_not_searched_again() -> None:
    copy = copied(b"abc")
    body(copy)
    made, _ = body_of(copy, None, Failing(ZeroDivisionError()), kept=True, failed=lambda: None)
    assert made.chunks == (b"abc",)


@pytest.mark.parametrize("coding", [None, "gzip"])
def test_the_times_of_a_stream_belong_to_what_is_stored_of_it(coding: str | None) -> None:
    """The offsets move with what is masked; what is encoded anew has none."""
    pieces = [b"data: a\n\n", b"data: " + API_KEY.encode() + b"\n\n", b"data: b\n\n"]
    whole = b"".join(pieces)
    starts = [0, len(pieces[0]), len(pieces[0] + pieces[1]), len(pieces[0]) + 20]
    capture = replace(captured(), response=copied(gzip.compress(whole) if coding else whole))
    capture.upstream_headers = [(b"content-encoding", coding.encode())] if coding else [(b"a", b"b")]
    capture.chunks = [(start, float(number)) for number, start in enumerate(sorted(starts))]
    made = stored_bodies(capture, REDACTOR, kept=True, failed=lambda: None)
    answer = made.bodies[Hop.UPSTREAM_RESPONSE]
    assert isinstance(answer, Body)
    data = b"".join(answer.chunks)
    if coding:
        assert made.chunks == ()
    else:
        begins = [data[start : start + 6] for start, _ in made.chunks]
        assert begins == [b"data: ", b"data: ", REDACTOR.mask(API_KEY)[:6].encode(), b"data: "]


def test_only_hops_that_there_were_have_headers() -> None:
    refused = replace(captured(), upstream_headers=None, returned_headers=(), attempts=[])
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
def test_what_an_error_answer_says_is_kept_unless_that_is_unwanted(modes: Relayed, asked: str) -> None:
    """F-41: it may repeat the prompt; its type is of a closed set"""
    error = b'{"type":"error","error":{"type":"invalid_request_error","message":"no: your prompt"}}'
    modes.upstream.script = lambda talk: talk.answer(error, status="400 No")
    row = modes.proxy.exchange(modes.ask(post("/all/v1/messages", b'{"a": "prompt"}', asked)).request_id)
    assert row["error_type"] == "invalid_request_error"
    assert row["error_message"] == (None if asked else "no: your prompt")
    [attempt] = modes.proxy.rows("SELECT * FROM attempts WHERE request_id = ?", row["request_id"])
    assert attempt["error_message"] == row["error_message"]


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
