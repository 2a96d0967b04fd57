"""`make chaos`: minutes of agent traffic on two workers while everything fails in random order, then the laws."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from proxy.ledger.folder import Folder
from proxy.ledger.processes import alive
from tests.chaos import acts, verdict
from tests.chaos.acts import ACTS, Stage
from tests.chaos.traffic import Traffic
from tests.chaos.verdict import Told
from tests.kit.conditions import WallClock, tmpfs
from tests.kit.faultproxy import FaultProxy
from tests.kit.laws import CANARY
from tests.kit.paced import Paced, paced
from tests.kit.process import Proxy, wait
from tests.kit.raw import address
from tests.long.page import PAGE, machine, printed, renewed
from tests.receiver import Receiver, Taken, values

_AGENTS = 16
_CALM_S = 5.0
"""Traffic before the storm, after which the processes hold what they need."""
_DISK_MB = 400
_RELAY = """
workers = 2
connect_timeout = 2
header_timeout = 8
idle_timeout = 8
client_stall_timeout = 8
drain_seconds = 5
"""


class Telemetry:
    """Counts the log records and server spans that arrive and lets go of everything else."""

    def __init__(self, receiver: Receiver) -> None:
        self.told = Told()
        self._receiver = receiver

    def harvest(self) -> None:
        """Takes what has come since the last time."""
        arrived = list(self._receiver.received)
        del self._receiver.received[: len(arrived)]
        for one in arrived:
            assert CANARY.encode() not in one.body, "a secret left by OTLP"
        came = Taken(arrived)
        for record in came.logs():
            if '"msg":"completed"' in record.body.string_value.replace(" ", ""):
                self.told.completed[str(values(record.attributes)["request_id"])] += 1
        for span in came.spans():
            if span.kind == Span.SPAN_KIND_SERVER:
                self.told.servers[str(values(span.attributes)["proxy.request_id"])] += 1


def main(arguments: list[str]) -> int:
    """Prints the seed, each trouble as it begins, and what the laws found."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    parser.add_argument("--write", action="store_true", help="write the table into docs/figures.md, too")
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}: repeat with --seed {given.seed} --minutes {given.minutes:g}", flush=True)
    with tempfile.TemporaryDirectory() as name, _installation(Path(name), given.seed) as (stage, upstream):
        telemetry = Telemetry(stage.receiver)
        where = address(stage.proxy.base_url)
        calm, traffic = (Traffic(where, _AGENTS, given.seed, name) for name in ("calm", "storm"))
        try:
            calm.start()
            time.sleep(_CALM_S)
            calm.stop(90)
            rest = verdict.rest_of(stage.proxy)
            traffic.start()
            _storm(stage, given.minutes * 60, telemetry)
            traffic.stop(90)
            wait(lambda: len(stage.proxy.relays) == 2, "both relays to be back", 60)
            _until_quiet(stage, telemetry)
            traffic.crowd.heard += calm.crowd.heard
            found = verdict.judge(stage, traffic.crowd, upstream.seen(), telemetry.told, rest)
        except BaseException:
            _explain(stage, telemetry)
            raise
    print(printed(found))
    print("all laws hold")
    if given.write:
        made = f"Seed {given.seed}, {given.minutes:g} min. {machine()}"
        PAGE.write_text(renewed(PAGE.read_text("utf-8"), {"chaos": found}, made), "utf-8")
    return 0


@contextmanager
def _installation(folder: Path, seed: int) -> Iterator[tuple[Stage, Paced]]:
    with ExitStack() as stack:
        if os.geteuid() == 0:
            stack.enter_context(tmpfs(folder / "data", _DISK_MB))
        else:
            print("not root: the disk will not fill up", flush=True)
        clock = WallClock(folder)
        receiver = Receiver()
        receiver.start()
        stack.callback(receiver.stop)
        upstream = stack.enter_context(paced())
        line = stack.enter_context(FaultProxy(address(upstream.url)).running())
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_METRIC_EXPORT_INTERVAL": "2000", **clock.env}
        # Looking for a new time at every reading of a clock would take most of the CPU.
        environment |= {"FAKETIME_NO_CACHE": "0", "FAKETIME_CACHE_DURATION": "1"}
        proxy = Proxy(folder, line.url, relay=_RELAY, env=environment)
        stack.enter_context(proxy.running())
        yield Stage(proxy, line, receiver, clock, random.Random(seed)), upstream


def _storm(stage: Stage, seconds: float, telemetry: Telemetry) -> None:
    """Up to two troubles at a time, each for some seconds."""
    begun = time.monotonic()
    running: dict[str, threading.Thread] = {}
    while time.monotonic() - begun < seconds:
        running = {name: thread for name, thread in running.items() if thread.is_alive()}
        if len(running) < 2:
            name = stage.chance.choice(acts.possible(set(running)))
            hold = stage.chance.uniform(0.5, 9)
            print(f"{time.monotonic() - begun:7.1f} s  {name} for {hold:.1f} s", flush=True)
            running[name] = threading.Thread(target=_hold, args=(ACTS[name](stage), hold))
            running[name].start()
        telemetry.harvest()
        time.sleep(stage.chance.uniform(0.2, 3))
    for thread in running.values():
        thread.join()


def _hold(act: AbstractContextManager[object], seconds: float) -> None:
    with act:
        time.sleep(seconds)


def _until_quiet(stage: Stage, telemetry: Telemetry) -> None:
    """Everything closed and sent."""
    sql = "SELECT count(*) AS n FROM exchanges WHERE outcome IS NULL"

    def quiet() -> bool:
        telemetry.harvest()
        sent = {row["request_id"] for row in stage.proxy.rows("SELECT request_id FROM exchanges")}
        told = telemetry.told.completed.keys() & telemetry.told.servers.keys()
        return stage.proxy.rows(sql)[0]["n"] == 0 and sent <= told

    wait(_unhurried(quiet), "every record to be closed and sent", 180)


def _explain(stage: Stage, telemetry: Telemetry) -> None:
    """What the processes said last, and what of the ledger is not at rest; the folder is kept."""
    kept = shutil.copytree(stage.proxy.folder, tempfile.mkdtemp(prefix="chaos-"), dirs_exist_ok=True)
    print(f"everything as it is now: {kept}")
    print(stage.proxy.said()[-6_000:])
    sql = "SELECT request_id, process, outcome, started_ns FROM exchanges"
    told = telemetry.told.completed.keys() & telemetry.told.servers.keys()
    rows = [row for row in stage.proxy.rows(sql) if row["outcome"] is None or row["request_id"] not in told]
    print(f"{len(rows)} open or not sent:", *rows[:5], sep="\n  ")
    print(f"processes: {stage.proxy.run['processes']}; owners of open rows that live:")
    owners = {row["process"] for row in rows if row["outcome"] is None}
    print(*(f"  {owner}: {alive(Folder(stage.proxy.data), owner)}" for owner in owners), sep="\n")
    for table in ("cursors", "dead_letters"):
        print(table, *stage.proxy.rows(f"SELECT * FROM {table} LIMIT 5"), sep="\n  ")


def _unhurried(condition: Callable[[], bool]) -> Callable[[], bool]:
    def looked() -> bool:
        time.sleep(0.5)
        return condition()

    return looked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
