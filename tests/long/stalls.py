"""How long a relay's event loop is held up, seen from outside: a process that asks `/healthz` all the time.

A wait begins at most 5 ms after the loop stops, whatever the relay itself measures. What relay and asker waited for
a processor is the machine's, and told apart: https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.kit.process import Proxy
from tests.kit.raw import Connection, address
from tests.long.figure import Figure

PAUSE_S = 0.005
LONGEST_MS = 50.0
_HOME = Path(__file__).parents[2]


@dataclass
class Waits:
    """What a relay let others wait for; empty until the watch is over."""

    asked: int = 0
    longest_ms: float = 0.0
    held_ms: float = 0.0
    """Longest wait without what the kernel kept relay and asker from a processor."""

    def figure(self, during: str) -> Figure:
        """The line of the table."""
        return Figure(
            f"longest event-loop stall, {during}",
            f"≤ {LONGEST_MS:.0f} ms",
            f"{self.held_ms:.1f} ms in {self.asked:,} looks, {self.longest_ms:.1f} ms with waits for a processor",
            self.asked > 0 and self.held_ms <= LONGEST_MS,
        )


@contextlib.contextmanager
def watched(proxy: Proxy) -> Iterator[Waits]:
    """Watches the relay while the block runs; what is yielded is filled at its end."""
    waits = Waits()
    command = [sys.executable, "-m", "tests.long.stalls", proxy.base_url, str(proxy.pid("relay"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_HOME) as process:
        try:
            yield waits
        finally:
            told, _ = process.communicate()
    waits.__dict__.update(json.loads(told))


def look(base_url: str, pid: int) -> Waits:
    """Asks until the standard input ends."""
    host = base_url.removeprefix("http://")
    asking = f"GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
    relay, own = Path(f"/proc/{pid}/task/{pid}/schedstat"), Path("/proc/thread-self/schedstat")
    waits = Waits()
    with Connection(address(base_url)) as connection:
        while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
            before, begun = _kept_waiting(relay, own), time.monotonic()
            connection.send(asking)
            status = connection.reply().status
            took_ms = (time.monotonic() - begun) * 1000
            assert status == 200, status
            waits.asked += 1
            waits.longest_ms = max(waits.longest_ms, took_ms)
            waits.held_ms = max(waits.held_ms, took_ms - (_kept_waiting(relay, own) - before))
    return waits


def _kept_waiting(*threads: Path) -> float:
    """For how many milliseconds these threads could have run and had no processor."""
    return sum(int(thread.read_text().split()[1]) for thread in threads) / 1e6


if __name__ == "__main__":
    print(json.dumps(asdict(look(sys.argv[1], int(sys.argv[2])))))
