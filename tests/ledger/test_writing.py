"""Changes as rows."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from proxy.exchange import Hop
from proxy.ledger import bodies
from proxy.ledger.bodies import Packer
from proxy.ledger.changes import Arrived, Body, Change, Finished, Opened
from proxy.ledger.connect import transaction
from proxy.ledger.folder import Folder
from proxy.ledger.queries import detail
from proxy.ledger.writing import Failed, prepare, smaller, without_bodies, write
from tests.ledger.samples import START_NS, body, closed, finished, opened, request_id, rows, store


def test_body_given_up_leaves_its_size_hash_and_reason(folder: Folder) -> None:
    light = without_bodies(finished(1), "disk_full")
    assert isinstance(light, Finished)
    whole = finished(1).bodies[Hop.CLIENT_REQUEST]
    assert isinstance(whole, Body)
    assert light.bodies[Hop.CLIENT_REQUEST] == replace(whole, chunks=(), capture="disk_full")
    assert light.bodies[Hop.UPSTREAM_REQUEST] is Hop.CLIENT_REQUEST
    assert light.exchange == replace(closed(1), request_capture="disk_full", response_capture="disk_full")


def test_body_that_was_not_captured_keeps_its_own_reason(folder: Folder) -> None:
    change = Finished(replace(closed(1), request_capture="off"), bodies={Hop.CLIENT_REQUEST: Body((), 9, None, "off")})
    assert without_bodies(change, "disk_full") == change
    assert without_bodies(Opened(opened(1)), "disk_full") == Opened(opened(1))


def test_less_and_less_is_tried_until_nothing_is_left() -> None:
    failed = Failed(request_id(1), "p1", START_NS)
    steps: list[object] = []
    change: Opened | Arrived | Finished | Failed | None = finished(1)
    while change is not None:
        change = smaller(change, failed)
        steps.append(change)
    bare = replace(closed(1), attempts=(), windows=(), limits=(), request_capture="poison", response_capture="poison")
    assert steps == [without_bodies(finished(1), "poison"), Finished(bare), failed, None]
    assert smaller(Opened(opened(1)), failed) is None


def test_request_body_and_its_exchange_may_come_in_one_group_in_any_order(
    folder: Folder, conn: sqlite3.Connection
) -> None:
    changes: list[Change] = [Arrived(request_id(1), body(b"question")), Opened(opened(1)), Finished(closed(1))]
    with transaction(conn):
        write(conn, [prepare(change, Packer()) for change in changes], START_NS)
    found = bodies.get(conn, request_id(1), Hop.CLIENT_REQUEST)
    assert found is not None
    assert found.read() == b"question"


def test_request_body_without_an_exchange_is_not_stored(folder: Folder, conn: sqlite3.Connection) -> None:
    with transaction(conn):
        write(conn, [prepare(Arrived(request_id(1), body(b"question")), Packer())], START_NS)
    assert rows(folder, "SELECT count(*) FROM bodies") == [(0,)]


def test_opened_told_after_the_end_changes_nothing(folder: Folder, conn: sqlite3.Connection) -> None:
    store(folder, finished(1), Opened(opened(1)))
    store(folder, Opened(opened(1)))
    found = detail(conn, request_id(1))
    assert found is not None
    assert found.exchange == closed(1)
