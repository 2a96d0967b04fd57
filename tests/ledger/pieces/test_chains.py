"""Pieces in the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest

from proxy.exchange import Hop
from proxy.ledger import bodies
from proxy.ledger.bodies import Packer, pack
from proxy.ledger.changes import Opened
from proxy.ledger.connect import transaction
from proxy.ledger.folder import Folder
from proxy.ledger.pieces import chains
from proxy.ledger.verify import verify
from tests.ledger.pieces.test_cutting import LONG, USER
from tests.ledger.pieces.test_recipe import turn
from tests.ledger.samples import alter, body, opened, request_id, store


@pytest.fixture(autouse=True)
def _exchanges(folder: Folder) -> None:
    store(folder, *(Opened(opened(number)) for number in range(60)))


def keep(conn: sqlite3.Connection, packer: Packer, number: int, *contents: bytes, commit: bool = True) -> None:
    """Store bodies as the recorder does, one per exchange from `number` on, in one transaction."""
    packed = [pack(body(content)) for content in contents]
    bodies.make_new(conn, packed, packer)
    conn.execute("BEGIN IMMEDIATE")
    bodies.put(conn, {request_id(number + place): {Hop.CLIENT_REQUEST: each} for place, each in enumerate(packed)})
    conn.execute("COMMIT" if commit else "ROLLBACK")
    if commit:
        packer.remember(packed)


def read(conn: sqlite3.Connection, number: int) -> bytes:
    """The stored body of one exchange."""
    found = bodies.get(conn, request_id(number), Hop.CLIENT_REQUEST)
    assert found is not None
    return found.read()


def forget(conn: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Remove the bodies of these exchanges and all pieces that then are of no use."""
    with transaction(conn):
        for number in numbers:
            found = conn.execute("SELECT body FROM exchange_bodies WHERE request_id = ?", (request_id(number),))
            (reference,) = found.fetchone()
            conn.execute(
                "UPDATE exchange_bodies SET body = NULL, capture = 'evicted' WHERE request_id = ?",
                (request_id(number),),
            )
            bodies.discard(conn, reference)
        while chains.sweep(conn):
            pass


def findings(folder: Folder) -> set[str]:
    """What is wrong with the bodies."""
    return {finding.subject.split()[0] for finding in verify(folder) if finding.law not in ("L1",)}


def count(conn: sqlite3.Connection, table: str) -> int:
    """Rows of a table."""
    number: int = conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return number


def test_a_session_is_read_back_turn_by_turn_and_adds_one_piece_each(folder: Folder, conn: sqlite3.Connection) -> None:
    packer = Packer()
    for number in range(30):
        keep(conn, packer, number, turn(5 + number))
    assert [read(conn, number) for number in range(30)] == [turn(5 + number) for number in range(30)]
    assert (count(conn, "pieces"), count(conn, "nodes"), count(conn, "body_nodes")) == (
        38,
        39,
        120,
    )  # both system blocks are the same
    assert findings(folder) == set()


def test_body_with_two_growing_lists_is_read_back_however_the_second_changes(conn: sqlite3.Connection) -> None:
    lists = [(3, 6, "one"), (4, 6, "two"), (5, 2, "one"), (6, 9, "one"), (6, 9, "two")]
    contents = [turn(turns, input=[USER | {"content": f"{word} {LONG}"}] * more) for turns, more, word in lists]
    packer = Packer()
    for number, content in enumerate(contents):
        keep(conn, packer, number, content)
    assert [read(conn, number) for number in range(len(contents))] == contents


def test_another_writer_that_remembers_nothing_finds_the_same_pieces(conn: sqlite3.Connection) -> None:
    for number in range(10):
        keep(conn, Packer(), number, turn(20 + number))
    assert count(conn, "nodes") == 1 + 29 + 4


def test_turns_of_one_group_share_what_is_new(conn: sqlite3.Connection) -> None:
    keep(conn, Packer(), 0, *(turn(20 + number) for number in range(10)))
    assert (count(conn, "pieces"), count(conn, "nodes")) == (1 + 29 + 3, 1 + 29 + 4)
    assert [read(conn, number) for number in range(10)] == [turn(20 + number) for number in range(10)]


def test_what_was_rolled_back_is_not_built_on(folder: Folder, conn: sqlite3.Connection) -> None:
    packer = Packer()
    keep(conn, packer, 0, turn(8))
    keep(conn, packer, 1, turn(9), commit=False)
    keep(conn, Packer(), 2, turn(9, messages=[{"role": "user", "content": "other " * 2000}]))
    keep(conn, packer, 3, turn(10))
    assert read(conn, 3) == turn(10)
    assert findings(folder) == set()


def test_group_that_is_written_again_after_a_rollback_is_written_whole(conn: sqlite3.Connection) -> None:
    packer = Packer()
    keep(conn, packer, 0, turn(8))
    packed = pack(body(turn(9)))
    bodies.make_new(conn, [packed], packer)
    for end in ("ROLLBACK", "COMMIT"):
        conn.execute("BEGIN IMMEDIATE")
        bodies.put(conn, {request_id(1): {Hop.CLIENT_REQUEST: packed}})
        conn.execute(end)
    assert read(conn, 1) == turn(9)


def test_body_whose_beginning_was_deleted_meanwhile_is_stored_anew(folder: Folder, conn: sqlite3.Connection) -> None:
    packer = Packer()
    keep(conn, packer, 0, turn(8))
    packed = pack(body(turn(9)))
    bodies.make_new(conn, [packed], packer)
    forget(conn, [0])
    assert count(conn, "pieces") == count(conn, "nodes") == count(conn, "loose") == 0
    with transaction(conn):
        bodies.put(conn, {request_id(1): {Hop.CLIENT_REQUEST: packed}})
    assert read(conn, 1) == turn(9)
    assert findings(folder) == set()


@pytest.mark.parametrize("gone", [range(10), range(20, 30), range(5, 25), range(0, 30, 2), range(30)])
def test_pieces_go_with_the_last_body_that_has_them(folder: Folder, conn: sqlite3.Connection, gone: range) -> None:
    packer = Packer()
    for number in range(30):
        keep(conn, packer, number, turn(5 + number))
    forget(conn, gone)
    left = [number for number in range(30) if number not in gone]
    assert [read(conn, number) for number in left] == [turn(5 + number) for number in left]
    assert count(conn, "nodes") == (1 + 5 + max(left) + 4 if left else 0)
    assert findings(folder) == set()


def test_pieces_that_are_due_are_used_again(folder: Folder, conn: sqlite3.Connection) -> None:
    packer = Packer()
    keep(conn, packer, 0, turn(8))
    with transaction(conn):
        conn.execute("UPDATE exchange_bodies SET body = NULL, capture = 'evicted'")
        bodies.discard(conn, 1)
    assert count(conn, "loose") == 4
    keep(conn, packer, 1, turn(9))
    with transaction(conn):
        assert chains.sweep(conn) > 0
    assert read(conn, 1) == turn(9)
    assert findings(folder) == set()


def test_one_step_of_deleting_is_bounded(conn: sqlite3.Connection) -> None:
    keep(conn, Packer(), 0, *(bytes([number]) * 3_000_000 for number in range(20)))
    with transaction(conn):
        conn.execute("UPDATE exchange_bodies SET body = NULL")
        conn.execute("DELETE FROM bodies")
    before = sum(row[0] for row in conn.execute("SELECT size FROM pieces"))
    with transaction(conn):
        chains.sweep(conn)
    freed = before - sum(row[0] for row in conn.execute("SELECT size FROM pieces"))
    assert 0 < freed < 6 * chains.BYTES_PER_STEP


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE pieces SET data = x'00', codec = 'raw' WHERE id = 2", {"bodies"}),
        ("UPDATE pieces SET data = x'00', codec = 'zstd' WHERE id = 1", {"bodies"}),
        ("UPDATE nodes SET glue = x'78' WHERE id = 1", {"bodies"}),
        ("UPDATE nodes SET glue = 'x' WHERE id = 3", {"bodies"}),
        ("UPDATE nodes SET parent = NULL WHERE id = 4", {"bodies", "nodes"}),
        ("DELETE FROM nodes WHERE id = 3", {"bodies", "nodes", "pieces", "loose"}),
        ("DELETE FROM pieces WHERE id = 3", {"bodies", "nodes"}),
        ("DELETE FROM body_nodes", {"bodies"}),
        ("INSERT INTO pieces VALUES (99, x'ab', 1, 'raw', x'00')", {"pieces"}),
        ("INSERT INTO nodes VALUES (99, 3, 2, x'')", {"nodes"}),
    ],
)
def test_damage_to_pieces_is_found(folder: Folder, conn: sqlite3.Connection, damage: str, found: set[str]) -> None:
    keep(conn, Packer(), 0, turn(5))
    alter(folder, damage)
    assert findings(folder) & found
    assert findings(folder) <= found | {"body_nodes"}
