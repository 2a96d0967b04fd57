"""Headers per hop."""

from __future__ import annotations

import hashlib
import json
import sqlite3

from proxy.exchange import Hop
from proxy.ledger import headers
from proxy.ledger.changes import Opened
from proxy.ledger.folder import Folder
from proxy.ledger.header_fields import USUAL
from tests.ledger.samples import HEADERS, opened, request_id, store

COMPRESSOR = headers.compressor()
_ODD = (("x-latin", "é\x80"), ("", ""), ("x-quote", '"\\'))


def test_order_duplicates_and_odd_bytes_come_back(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    given = {Hop.CLIENT_REQUEST: HEADERS, Hop.UPSTREAM_REQUEST: HEADERS, Hop.UPSTREAM_RESPONSE: _ODD}
    packed, intact = headers.pack(given, COMPRESSOR)
    headers.put(conn, {request_id(1): packed})
    assert intact
    assert headers.get(conn, request_id(1)) == given


def test_hop_equal_to_an_earlier_one_is_only_named(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, Opened(opened(1)))
    given = {Hop.CLIENT_REQUEST: HEADERS, Hop.CLIENT_RESPONSE: (), Hop.UPSTREAM_REQUEST: HEADERS}
    packed, _ = headers.pack(given, COMPRESSOR)
    headers.put(conn, {request_id(1): packed})
    assert headers.get(conn, request_id(1)) == given
    assert json.loads(headers.unpack(packed))["upstream_request"] == "client_request"


def test_lone_surrogate_is_replaced_and_told() -> None:
    packed, intact = headers.pack({Hop.CLIENT_REQUEST: (("x", "\udcff"),)}, COMPRESSOR)
    assert json.loads(headers.unpack(packed)) == {"client_request": [["x", "\ufffd"]]}
    assert not intact


def test_usual_headers_take_less_than_half_their_text_and_odd_ones_little_more_than_it() -> None:
    usual = (("accept", "application/json"), ("content-type", "application/json"), ("user-agent", "claude-cli/2.1.0"))
    packed, _ = headers.pack({Hop.CLIENT_REQUEST: usual, Hop.UPSTREAM_REQUEST: usual}, COMPRESSOR)
    assert len(packed) * 2 < len(headers.unpack(packed))
    noise = (("x", "".join(chr(33 + number * 7919 % 90) for number in range(400))),)
    packed, _ = headers.pack({Hop.CLIENT_REQUEST: noise}, COMPRESSOR)
    assert len(packed) < len(headers.unpack(packed)) + 20


def test_headers_that_were_stored_as_text_are_read(conn: sqlite3.Connection, folder: Folder) -> None:
    store(folder, Opened(opened(1)))
    conn.execute("INSERT INTO headers VALUES (?, ?)", (request_id(1), '{"client_request":[["a","b"]]}'))
    assert headers.get(conn, request_id(1)) == {Hop.CLIENT_REQUEST: (("a", "b"),)}


def test_what_headers_are_compressed_against_never_changes() -> None:
    """Ledgers that exist could not be read any more."""
    assert hashlib.sha256(USUAL).hexdigest()[:16] == "773799329316f53e"
