"""The disk below the ledger: how much is free, from when on bodies are no longer stored, and the reserve.

On a full disk SQLite can neither delete nor checkpoint, so a file that was allocated ahead is given back then. Making
and releasing it is the observer's part; relay processes only ask whether there is room.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.ledger.folder import Folder

_LEAST_SHARE = 8
"""Of a small disk, watermark and reserve take no more than this part each."""
_FULL_BYTES = 1024**2
_FULL_SHARE = 64
_OWN_SHARE = 10
"""A ledger that takes less than this part of its disk is not what fills it."""
_NEVER_LOCKED_WELL = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "sshfs", "beegfs", "davfs")
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Room:
    """One look at the disk, in bytes."""

    total: int
    free: int
    """What this user may still write."""
    log: int
    """Size of the write-ahead log, which the ledger may have to grow by before the log can be cut."""


class Space:
    """The room that one ledger has."""

    def __init__(self, folder: Folder, min_free: int, reserve: int) -> None:
        self._folder = folder
        self._min_free = min_free
        self._reserve = reserve

    def look(self) -> Room:
        """The disk at this moment. Raises OSError, for instance when the folder has gone."""
        disk = shutil.disk_usage(self._folder.path)
        log = self._folder.ledger.with_name(self._folder.ledger.name + "-wal")
        return Room(disk.total, disk.free, log.stat().st_size if log.exists() else 0)

    def low(self) -> bool:
        """Whether there is no room for bodies. False when that cannot be told."""
        try:
            return self.lack(self.look()) > 0
        except OSError:
            return False

    def full(self) -> bool:
        """Whether hardly anything can be written any more. False when that cannot be told."""
        try:
            return full(self._folder)
        except OSError:
            return False

    def lack(self, room: Room) -> int:
        """Bytes that are missing below the watermark; 0 or less when there is room."""
        return min(self._min_free, room.total // _LEAST_SHARE) - (room.free - room.log)

    def allowed(self, used: int, max_bytes: int) -> int:
        """How large a ledger of `used` bytes may stay: less than `max_bytes` where it is what fills the disk.

        Raises OSError.
        """
        room = self.look()
        lack = self.lack(room)
        return max_bytes if lack <= 0 else min(max_bytes, max(used - lack, room.total // _OWN_SHARE))

    def hold(self) -> bool:
        """Allocate the reserve where there is room for it besides the watermark; whether it is there now."""
        try:
            if self._folder.reserve.exists():
                return True
            room = self.look()
            size = min(self._reserve, room.total // _LEAST_SHARE)
            if self.lack(room) + size > 0:
                return False
            _allocate(self._folder, size)
        except OSError:
            return False
        return True

    def release(self) -> bool:
        """Give the reserve back; False when there was none."""
        return release(self._folder)


def full(folder: Folder) -> bool:
    """Whether hardly anything can be written any more. Raises OSError."""
    disk = shutil.disk_usage(folder.path)
    return disk.free < min(_FULL_BYTES, disk.total // _FULL_SHARE)


def release(folder: Folder) -> bool:
    """Give the reserve back; False when there was none."""
    try:
        folder.reserve.unlink()
    except OSError:
        return False
    return True


def network(mounts: str, path: str) -> str | None:
    """The type of the network file system that an absolute path lies on, None for others.

    `mounts` is the text of /proc/self/mountinfo, https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html.
    SQLite's log is shared memory, which works on one machine only: https://sqlite.org/wal.html.
    """
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), [*before.split(" "), *[""] * 5][4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if point and inside and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    return kind if kind.removeprefix("fuse.") in _NEVER_LOCKED_WELL else None


def network_of(folder: Folder) -> str | None:
    """The type of the network file system that the folder lies on; None for others and where that is not known."""
    with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        return network(file.read(), str(folder.path.resolve()))
    return None


def _allocate(folder: Folder, size: int) -> None:
    draft = folder.reserve.with_name(f".{folder.reserve.name}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        _fill(descriptor, size)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    draft.replace(folder.reserve)


def _fill(descriptor: int, size: int) -> None:
    """Make the blocks the file's own: a sparse one would hold nothing back."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    piece = bytes(1024**2)
    while size > 0:
        size -= os.write(descriptor, piece[:size])
