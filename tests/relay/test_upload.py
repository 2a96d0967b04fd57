"""Clients that leave, stall or send too much: rows B4–B7, A4, A5, A21."""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.kit.process import wait
from tests.kit.raw import MESSAGES, post
from tests.kit.upstream import DELTA, END, START, Talk
from tests.relay.conftest import Relayed

GENEROUS_S = 5.0
"""The rule is one second; the tests of behaviour leave room for a busy machine."""


def closed_soon(relayed: Relayed) -> None:
    """The upstream's connection of the newest request is closed soon after now."""
    start = time.monotonic()
    wait(lambda: relayed.last.closed_at is not None, "the upstream connection to be closed")
    assert (relayed.last.closed_at or 0) - start < GENEROUS_S


def test_a_client_that_leaves_before_the_headers_cancels_the_upstream(relayed: Relayed) -> None:
    """B5"""
    relayed.upstream.script = lambda talk: talk.wait_closed()
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        wait(lambda: relayed.upstream.seen, "the request to arrive")
    closed_soon(relayed)
    [row] = _by_outcome(relayed, "client_disconnected")
    assert (row["status"], row["response_bytes"], row["model"]) == (None, None, "claude-sonnet-4-6")


def test_a_client_that_leaves_mid_stream_cancels_the_upstream_and_keeps_usage_so_far(relayed: Relayed) -> None:
    """B6, F-1"""

    def script(talk: Talk) -> None:
        talk.stream([START, DELTA], end=False)
        talk.wait_closed()

    relayed.upstream.script = script
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        connection.until(DELTA)
    closed_soon(relayed)
    [row] = _by_outcome(relayed, "client_disconnected", 2)[-1:]
    assert (row["status"], row["input_tokens"], row["usage_source"]) == (200, 25, "partial")
    assert row["response_bytes"] == len(START + DELTA)


def test_a_client_that_leaves_during_its_upload_never_completes_it_upstream(relayed: Relayed) -> None:
    """A5"""
    before = len(_by_outcome(relayed, "client_disconnected", 0))
    with relayed.connect() as connection:
        connection.send(
            b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600000\r\n\r\n" + b"a" * 300_000
        )
        wait(lambda: relayed.upstream.seen, "the request to arrive")
    wait(lambda: relayed.last.closed_at is not None, "the upstream connection to be closed")
    assert not relayed.last.complete
    row = _by_outcome(relayed, "client_disconnected", before + 1)[-1]
    assert row["error_type"] == "upload_aborted"


@pytest.mark.parametrize("bad", [b"zz\r\nabc\r\n", b"3\r\nabcX"], ids=["size", "end"])
def test_a_bad_chunk_aborts_the_upstream_request(relayed: Relayed, bad: bytes) -> None:
    """A4"""
    head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with relayed.connect() as connection:
        connection.send(head + b"3\r\nabc\r\n")
        wait(lambda: relayed.upstream.seen, "the request to arrive")
        with contextlib.suppress(ConnectionError):
            connection.send(bad)
        connection.closed()
    wait(lambda: relayed.last.closed_at is not None, "the upstream connection to be closed")
    assert not relayed.last.complete


def test_a_client_that_leaves_after_the_last_byte_completed(relayed: Relayed) -> None:
    """B7"""
    relayed.upstream.script = lambda talk: talk.stream([START, DELTA, END])
    before = _count(relayed)
    for _ in range(50):
        with relayed.connect() as connection:
            connection.send(MESSAGES)
            connection.until(b"0\r\n\r\n")
    wait(lambda: _count(relayed) == before + 50, "fifty records")
    rows = relayed.proxy.rows("SELECT outcome FROM exchanges ORDER BY request_id DESC LIMIT 50")
    assert {row["outcome"] for row in rows} == {"ok"}


def test_a_client_that_stops_reading_holds_the_upstream_back_and_is_dropped(relayed: Relayed) -> None:
    """B4"""
    sent: list[int] = []

    def flood(talk: Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000000000\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                talk.send(b"a" * 65_536)
                sent.append(65_536)
        talk.seen.closed_at = time.monotonic()
        talk.close()

    relayed.upstream.script = flood
    with relayed.connect() as connection:
        connection.send(MESSAGES)
        wait(lambda: relayed.upstream.seen and relayed.last.closed_at is not None, "the flood to end")
    assert sum(sent) < 30_000_000
    row = relayed.proxy.rows("SELECT * FROM exchanges ORDER BY request_id DESC LIMIT 1")[0]
    wait(lambda: relayed.proxy.exchange(row["request_id"]), "the record")
    assert relayed.proxy.exchange(row["request_id"])["error_type"] == "client_stalled"


def test_an_upload_that_stops_arriving_ends(relayed: Relayed) -> None:
    """B3 as changed for uploads that clients hold open"""
    with relayed.connect() as connection:
        connection.send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
        reply = connection.reply()
    assert reply.status == 408
    assert relayed.proxy.exchange(reply.request_id)["error_type"] == "upload_aborted"


def test_a_declared_body_over_the_limit_is_refused_before_it_is_read(relayed: Relayed) -> None:
    """A21"""
    reply = relayed.ask(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n")
    assert reply.status == 413
    assert reply.json()["error"]["type"] == "request_too_large"  # type: ignore[index]
    assert relayed.proxy.exchange(reply.request_id)["error_type"] == "body_too_large"
    assert relayed.upstream.seen == []


def test_a_foreign_host_name_is_refused_and_recorded(relayed: Relayed) -> None:
    reply = relayed.ask(post("/v1/messages", b"{}", host="unknown.test"))
    assert reply.status == 403
    assert relayed.proxy.exchange(reply.request_id)["error_type"] == "forbidden"


def _by_outcome(relayed: Relayed, outcome: str, count: int = 1) -> list[dict[str, object]]:
    sql = "SELECT * FROM exchanges WHERE outcome = ? ORDER BY request_id"
    wait(lambda: len(relayed.proxy.rows(sql, outcome)) >= count, f"{count} × {outcome}")
    return relayed.proxy.rows(sql, outcome)


def _count(relayed: Relayed) -> int:
    return int(relayed.proxy.rows("SELECT count(*) AS n FROM exchanges WHERE outcome IS NOT NULL")[0]["n"])
