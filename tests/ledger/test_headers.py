"""Headers per hop."""

from __future__ import annotations

import sqlite3

from proxy.exchange import Hop
from proxy.ledger import headers
from proxy.ledger.changes import Opened
from proxy.ledger.folder import Folder
from tests.ledger.samples import HEADERS, opened, request_id, rows, store

_ODD = (("x-latin", "é\x80"), ("", ""), ("x-quote", '"\\'))


def test_order_duplicates_and_odd_bytes_come_back(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    given = {Hop.CLIENT_REQUEST: HEADERS, Hop.UPSTREAM_REQUEST: HEADERS, Hop.UPSTREAM_RESPONSE: _ODD}
    packed, intact = headers.pack(given)
    headers.put(conn, {request_id(1): packed})
    assert intact
    assert headers.get(conn, request_id(1)) == given


def test_hop_equal_to_an_earlier_one_is_only_named(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    packed, _ = headers.pack({Hop.CLIENT_REQUEST: HEADERS, Hop.CLIENT_RESPONSE: (), Hop.UPSTREAM_REQUEST: HEADERS})
    headers.put(conn, {request_id(1): packed})
    assert rows(folder, "SELECT json_extract(hops, '$.upstream_request') FROM headers") == [("client_request",)]


def test_lone_surrogate_is_replaced_and_told() -> None:
    packed, intact = headers.pack({Hop.CLIENT_REQUEST: (("x", "\udcff"),)})
    assert packed == '{"client_request":[["x","\ufffd"]]}'
    assert not intact
