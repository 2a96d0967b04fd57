"""Bodies in pieces: whatever turns a conversation has, each is given back byte for byte."""

from __future__ import annotations

import sqlite3
import tempfile
from functools import cache
from pathlib import Path

from proxy.exchange import Hop
from proxy.ledger import bodies
from proxy.ledger.bodies import Packer
from proxy.ledger.changes import Opened
from proxy.ledger.connect import writer
from proxy.ledger.folder import Folder, prepare
from tests.ledger.samples import body, opened, request_id, store

TURNS = 4
LONG = b"so it is said, and said again " * 24
TOKENS = (
    b"\xff",
    b"@",
    b'{"messages":[',
    b'{"role":"user","content":"@"}',
    b'{"role":"user","content":[{"type":"text","text":"@"}]}',
    b",",
    b"]",
    b"}",
    b'"cache_control":{"type":"ephemeral"}',
    b'"tools":[',
    b'"system":[',
    b'"input":[',
    b'{"name":"a","description":"@"}',
    b" ",
    b"\n",
    b'"',
    b"[",
    b"{",
    b":",
    b"null",
    b"\\",
    b'"messages":',
    b'{"model":"m",',
    b"]}",
    b"@@@@@@@@",
)


@cache
def _ledger() -> sqlite3.Connection:
    folder = Folder(Path(tempfile.mkdtemp()) / "data")
    prepare(folder)
    store(folder, *[Opened(opened(number)) for number in range(TURNS)])
    return writer(folder.ledger)


def check(data: bytes) -> None:
    """Turns of one conversation; `@` stands for a long text."""
    turns = [turn.replace(b"@", LONG)[:200_000] for turn in data.split(b"\xff")[:TURNS]]
    conn = _ledger()
    conn.execute("BEGIN IMMEDIATE")
    try:
        _store_and_read(conn, turns)
    finally:
        conn.execute("ROLLBACK")


def _store_and_read(conn: sqlite3.Connection, turns: list[bytes]) -> None:
    packer = Packer()
    for number, turn in enumerate(turns):
        packed = bodies.pack(body(turn))
        bodies.make_new(conn, [packed], packer)
        bodies.put(conn, {request_id(number): {Hop.CLIENT_REQUEST: packed}})
        packer.remember([packed])
    for number, turn in enumerate(turns):
        stored = bodies.get(conn, request_id(number), Hop.CLIENT_REQUEST)
        assert stored is not None
        assert stored.read() == turn
