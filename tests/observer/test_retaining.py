"""The retaining thread on its own: when it acts, and what it says."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.exchange import Hop
from proxy.ledger import bodies
from proxy.ledger.connect import reader, writer
from proxy.ledger.folder import Folder
from proxy.ledger.space import Space
from proxy.ledger.verify import verify
from proxy.observer.retaining import WAL_BYTES, Retaining
from tests.kit.conditions import MEGABYTE, fill, filled, tmpfs
from tests.kit.process import wait
from tests.ledger.samples import START_NS, finished, store
from tests.observer.samples import ledger


@dataclass(frozen=True)
class Kept:
    """Settings: everything for ever, as far as there is room."""

    bodies: float = 1e9
    metadata: float = 1e9
    max_bytes: int = 2**40
    min_free: int = 1
    reserve: int = 64 * 1024


@contextmanager
def retaining(folder: Folder, kept: Kept) -> Iterator[tuple[Retaining, list[int]]]:
    evicted: list[int] = []
    thread = Retaining(folder, kept, evicted.append, lambda: START_NS)
    thread.start({"metrics"})
    try:
        yield thread, evicted
    finally:
        thread.stop()
        thread.join(10)


def stored(folder: Folder) -> int:
    """How many hops have their bytes in the ledger."""
    with closing(reader(folder.ledger)) as conn:
        whole = "SELECT count(*) FROM exchange_bodies WHERE capture IS NULL AND same_as IS NULL"
        return int(conn.execute(whole).fetchone()[0])


def store_big(folder: Folder, numbers: Iterable[int], size: int) -> None:
    """Exchanges whose request and response bodies take `size` bytes each, however compressed."""
    chance = random.Random(1)
    for number in numbers:
        store(folder, finished(number, content=chance.randbytes(size)))


def test_a_reserve_is_made_and_there_is_nothing_to_say(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with retaining(folder, Kept()) as (thread, _):
        wait(folder.reserve.exists, "the reserve")
        assert thread.degraded() == []


def test_a_ledger_beyond_its_size_is_cut_back_at_once(tmp_path: Path) -> None:
    """F11: not only when the minute is over"""
    folder = ledger(tmp_path)
    with retaining(folder, Kept(max_bytes=2 * MEGABYTE)) as (_, evicted):
        wait(folder.reserve.exists, "the first look")
        store_big(folder, range(50), 40_000)
        wait(lambda: folder.ledger.stat().st_size <= 2.2 * MEGABYTE and stored(folder) < 100, "the ledger to shrink")
    assert stored(folder) > 0
    assert evicted == []
    assert verify(folder) == []


def test_a_ledger_that_fills_its_disk_gives_up_its_oldest_bodies(tmp_path: Path) -> None:
    """D10: new bodies are worth more than old ones, and the records stay"""
    with tmpfs(tmp_path / "disk", 16) as disk:
        folder = ledger(disk)
        store_big(folder, range(25), 300_000)
        with retaining(folder, Kept(min_free=8 * MEGABYTE)) as (thread, _):
            space = Space(folder, 8 * MEGABYTE, 1)
            assert space.low()
            wait(lambda: not space.low() and thread.degraded() == [], "room")
            wait(folder.reserve.exists, "the reserve")
        with closing(reader(folder.ledger)) as conn:
            youngest = bodies.get(conn, finished(24).exchange.request_id, Hop.CLIENT_REQUEST)
            assert youngest is not None
            assert len(youngest.read()) == 300_000
            assert conn.execute("SELECT count(*) FROM exchanges").fetchone()[0] == 25
        assert verify(folder) == []


def test_on_a_full_disk_the_reserve_lets_retention_work(tmp_path: Path) -> None:
    """F3, D10: without it nothing could be deleted"""
    with tmpfs(tmp_path / "disk", 16) as disk:
        folder = ledger(disk)
        store_big(folder, range(10), 300_000)
        with retaining(folder, Kept(min_free=2 * MEGABYTE, reserve=MEGABYTE)) as (thread, _):
            wait(folder.reserve.exists, "the reserve")
            fill(disk / "filler")
            wait(lambda: stored(folder) < 20, "old bodies to go")
            assert not folder.reserve.exists()
            (disk / "filler").unlink()
            wait(lambda: folder.reserve.exists() and thread.degraded() == [], "the reserve to be made again")
        assert verify(folder) == []


def test_without_room_there_is_no_reserve_until_there_is(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 16) as disk:
        folder = ledger(disk)
        with filled(disk, leave=MEGABYTE), retaining(folder, Kept(min_free=2 * MEGABYTE)) as (thread, _):
            wait(lambda: thread.degraded() == ["disk_low"], "the disk to be noticed")
            assert not folder.reserve.exists()
            (disk / "filler").unlink()
            wait(lambda: folder.reserve.exists() and thread.degraded() == [], "room to be noticed")


def test_a_long_log_is_cut_soon_after_the_reader_that_held_it_back_has_gone(tmp_path: Path) -> None:
    """F6"""
    folder = ledger(tmp_path)
    log = folder.ledger.with_name("ledger.sqlite3-wal")
    with retaining(folder, Kept()), closing(writer(folder.ledger)):
        with closing(reader(folder.ledger)) as long:
            long.execute("BEGIN")
            long.execute("SELECT count(*) FROM exchanges").fetchone()
            store_big(folder, range(12), 1_000_000)
            assert log.stat().st_size > WAL_BYTES
        wait(lambda: log.stat().st_size == 0, "the log to be cut")
    assert verify(folder) == []


def test_trouble_is_said_once_and_waited_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = ledger(tmp_path)
    away = folder.ledger.with_name("away")
    folder.ledger.rename(away)
    with retaining(folder, Kept()):
        wait(lambda: "retention failed" in caplog.text, "the complaint")
        away.rename(folder.ledger)
    assert caplog.text.count("retention failed") == 1
