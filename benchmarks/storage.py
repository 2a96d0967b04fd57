"""`make bench-storage`: what an agent's session takes on disk, in all, beside its bytes and beside zstd.

The ledger is written by the relay's own code and measured as a file, with every index, header and record in it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import zstandard

from benchmarks.recording import Recording
from benchmarks.sessions import Turn, session
from proxy.ledger.folder import Folder
from proxy.ledger.pieces.chains import LEVEL

PAGE = Path(__file__).parent.parent / "docs" / "storage.md"
REGION = re.compile(r"(<!-- made by `make bench-storage` -->\n).*?(<!-- end -->)", re.DOTALL)
TURNS = 100
CLIENTS = {
    "messages first (Claude Code)": {"messages_first": True},
    "system and tools first (SDKs)": {"messages_first": False},
}

HEAD = (
    *("client", "turns", "requests MB", "answers MB", "each body by zstd MB", "ledger file MB"),
    *("× bytes sent", "× zstd", "kB per turn"),
)


@dataclass(frozen=True)
class Sizes:
    """Bytes of one session."""

    turns: int
    requests: int
    """Request bodies as sent."""
    answers: int
    """Response bodies as sent."""
    whole: int
    """The same bodies, each compressed by zstd on its own: nothing but their content."""
    disk: int
    """The ledger's file, everything in it."""

    @property
    def to_raw(self) -> float:
        """How many times smaller than the bytes sent."""
        return (self.requests + self.answers) / self.disk

    @property
    def to_whole(self) -> float:
        """How many times smaller than whole bodies, compressed."""
        return self.whole / self.disk


def measured(turns: Iterable[Turn], folder: Folder) -> Sizes:
    """Record a session, one commit per turn, and weigh it."""
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    requests = answers = whole = number = 0
    with closing(Recording(folder)) as recording:
        for turn in turns:
            number += 1
            recording.record([turn])
            answer = b"".join(turn.events)
            requests += len(turn.request)
            answers += len(answer)
            whole += len(compressor.compress(turn.request)) + len(compressor.compress(answer))
    return Sizes(number, requests, answers, whole, folder.ledger.stat().st_size)


def report(turns: int = TURNS) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|" + " --- |" * len(HEAD)
    for name, how in CLIENTS.items():
        with tempfile.TemporaryDirectory() as path:
            sizes = measured(session(turns, **how), Folder(Path(path) / "data"))
        columns = [sizes.requests, sizes.answers, sizes.whole, sizes.disk]
        figures = [f"{each / 1e6:.2f}" for each in columns]
        ratios = [f"{sizes.to_raw:.1f}", f"{sizes.to_whole:.1f}", f"{sizes.disk / sizes.turns / 1e3:.1f}"]
        yield f"| {' | '.join([name, str(sizes.turns), *figures, *ratios])} |"


def main() -> None:
    """Prints the table and puts it into the page."""
    table = "\n".join(report())
    print(table)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(REGION.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
