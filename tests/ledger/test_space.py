"""Room on the disk, the reserve, and disks that are elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.ledger import space
from proxy.ledger.folder import Folder
from proxy.ledger.space import Room, Space, network
from tests.kit.conditions import MOUNTS

_MIB = 1024**2
_GIB = 1024**3
_ANY = 2**50


@pytest.mark.parametrize(
    ("min_free", "room", "lack"),
    [
        (512 * _MIB, Room(100 * _GIB, 600 * _MIB, 0), -88 * _MIB),
        (512 * _MIB, Room(100 * _GIB, 500 * _MIB, 0), 12 * _MIB),
        # What is still in the log needs room in the ledger.
        (512 * _MIB, Room(100 * _GIB, 600 * _MIB, 100 * _MIB), 12 * _MIB),
        # A small disk keeps an eighth free.
        (512 * _MIB, Room(8 * _MIB, 2 * _MIB, 0), -_MIB),
    ],
)
def test_what_is_missing_below_the_watermark(folder: Folder, min_free: int, room: Room, lack: int) -> None:
    assert Space(folder, min_free, 1).lack(room) == lack


def test_low_is_told_from_the_real_disk(folder: Folder) -> None:
    room = Space(folder, 1, 1).look()
    assert 0 < room.free < room.total
    assert room.log == folder.ledger.with_name("ledger.sqlite3-wal").stat().st_size if room.log else True
    assert not Space(folder, 1, 1).low()
    assert Space(folder, _ANY, 1).low() == (room.free < room.total // 8)


def test_a_ledger_gives_way_only_where_it_is_what_fills_the_disk(folder: Folder) -> None:
    total = Space(folder, 1, 1).look().total

    class Tight(Space):
        def look(self) -> Room:
            return Room(total, 0, 0)

    tight, watermark = Tight(folder, _ANY, 1), total // 8
    assert Space(folder, 1, 1).allowed(500, 10_000) == 10_000
    assert tight.allowed(total // 2, total) == total // 2 - watermark
    assert tight.allowed(1_000, total) == total // 10
    assert tight.allowed(1_000, 2_000) == 2_000


def test_the_reserve_takes_blocks_is_its_owners_and_can_be_given_back(folder: Folder) -> None:
    """D10, F14"""
    held = Space(folder, 1, 300_000)
    before = os.umask(0)
    try:
        assert held.hold()
    finally:
        os.umask(before)
    status = folder.reserve.stat()
    assert (status.st_size, status.st_mode & 0o777) == (300_000, 0o600)
    assert status.st_blocks * 512 >= 300_000
    assert held.hold()
    assert held.release()
    assert not folder.reserve.exists()
    assert not held.release()


def test_no_reserve_is_made_where_it_would_take_the_room_of_bodies(folder: Folder) -> None:
    class Tight(Space):
        def look(self) -> Room:
            return Room(_GIB, 40 * _MIB, 0)

    assert not Tight(folder, 20 * _MIB, 32 * _MIB).hold()
    assert not folder.reserve.exists()


def test_a_folder_that_has_gone_is_neither_low_nor_full(tmp_path: Path) -> None:
    gone = Space(Folder(tmp_path / "gone"), _ANY, 1)
    assert (gone.low(), gone.full(), gone.hold(), gone.release()) == (False, False, False, False)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/someone", None),
        ("/srv/data", "nfs4"),
        ("/srv", "nfs4"),
        ("/srvx", None),
        ("/srv/fast/data", None),
        ("/mnt/with space/data", "fuse.sshfs"),
        ("/mnt/c/Users", "9p"),
    ],
)
def test_network_file_systems_are_known_by_the_innermost_mount(path: str, kind: str | None) -> None:
    """F12"""
    assert network(MOUNTS, path) == kind


def test_odd_lines_of_mounts_do_no_harm(folder: Folder) -> None:
    assert network("nonsense\n\n1 2 3 - nfs\n", "/srv") is None
    assert space.network_of(folder) is None
