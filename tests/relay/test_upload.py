"""Uploads that stall or are too much; who leaves, and bad chunks, are groups A and B of tests/faults."""

from __future__ import annotations

from tests.kit.raw import post
from tests.relay.conftest import Relayed


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
