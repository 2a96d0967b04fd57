"""Group I: processes that are told to end, killed, suspended, and started with what they cannot use."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from proxy.relay.app import OPEN_ROW_S
from tests.cli.commands import Done, command
from tests.faults.exporting import QUICK, assert_all_told
from tests.kit import laws
from tests.kit.crowd import Crowd
from tests.kit.paced import Paced, paced, target
from tests.kit.process import Proxy, refuses, wait
from tests.kit.raw import address, ask, get
from tests.kit.upstream import Talk, Upstream
from tests.processes.load import ANSWER, Streams, open_streams
from tests.receiver import receiver

WORKERS = ("--workers", "2")
CLIENTS, KILLS = 50, 4
UPSTREAM_READS_S = 1.0
"""How long a request may lie at the upstream before that reads it, though who sent it is dead."""
Kill = tuple[float, float]
"""What was begun before the first moment was in the ledger at the second, when a worker was killed."""
FOREIGN = "is not a ledger of anthropic-proxy: move it or choose another data folder"


@pytest.fixture(scope="module")
def pacing() -> Iterator[Paced]:
    with paced() as upstream:
        yield upstream


def test_i1_sigterm_turns_readiness_off_then_refuses_and_lets_streams_of_all_workers_finish(tmp_path: Path) -> None:
    streams = Streams()
    with Upstream(script=streams).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay="drain_seconds = 20\nprestop_seconds = 2", arguments=WORKERS)
        proxy.start()
        url = proxy.base_url
        with open_streams(url, 40) as clients, httpx.Client(trust_env=False) as kept:
            assert kept.get(f"{url}/readyz").status_code == 200
            os.kill(proxy.pid("supervisor"), signal.SIGTERM)
            wait(lambda: kept.get(f"{url}/readyz").status_code == 503, "readiness to turn off")
            assert ask(url, get("/healthz")).status == 200
            wait(lambda: refuses(url), "new connections to be refused")
            streams.release.set()
            assert {client.reply().body for client in clients} == {ANSWER}
        assert proxy.stop() == 0
        rows = proxy.finished(40)
        assert {row["outcome"] for row in rows} == {"ok"}
        assert len({row["process"] for row in rows}) == 2
        laws.check(proxy)


def test_i1_two_hundred_streams_that_outlast_the_drain_are_broken_and_recorded(tmp_path: Path) -> None:
    with Upstream(script=Streams()).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay="drain_seconds = 1", arguments=WORKERS)
        proxy.start()
        with open_streams(proxy.base_url, 200) as clients:
            assert proxy.stop() == 0
            assert not any(client.reply().ended for client in clients)
        rows = proxy.finished(200)
        assert {row["outcome"] for row in rows} == {"interrupted"}
        assert {row["input_tokens"] for row in rows} == {25}
        laws.check(proxy)


def test_i2_a_second_signal_ends_all_workers_at_once_and_still_records(tmp_path: Path) -> None:
    with Upstream(script=Streams()).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, relay="drain_seconds = 600", arguments=WORKERS)
        proxy.start()
        url = proxy.base_url
        with open_streams(url, 20):
            os.kill(proxy.pid("supervisor"), signal.SIGTERM)
            wait(lambda: refuses(url), "the drain to begin")
            assert proxy.stop(signal.SIGINT, timeout=20) == 0
        rows = proxy.finished(20)
        assert {(row["outcome"], row["input_tokens"]) for row in rows} == {("interrupted", 25)}
        laws.check(proxy)


def test_i3_a_killed_relay_is_started_again_and_no_client_is_refused_meanwhile(tmp_path: Path) -> None:
    """The supervisor keeps the port."""
    with Upstream(script=Streams()).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            for _ in range(3):
                pid = proxy.kill("relay")
                wait(lambda p=pid: proxy.run["processes"].get("relay") != p, "its death to be noticed")  # type: ignore[misc]
                reply = ask(proxy.base_url, get("/"))
                assert reply.body == ANSWER
                assert proxy.exchange(reply.request_id)["outcome"] == "ok"
            laws.check(proxy)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("workers", [2, 4])
def test_i3_sums_are_right_after_workers_were_killed_under_load(tmp_path: Path, pacing: Paced, workers: int) -> None:
    """L1 to L3: one record for each request, interrupted if it was open then; logs, spans and totals say the same."""
    with receiver() as otlp:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, **QUICK}
        proxy = Proxy(tmp_path, pacing.url, arguments=("--workers", str(workers)), env=env)
        with proxy.running():
            crowd = Crowd(address(proxy.base_url))
            killed = crowd.run(killed_under_load(proxy, crowd, str(workers)))
            laws.check(proxy, payloads=[one.body for one in otlp.received])
            rows = proxy.rows()
            assert_all_told(proxy, otlp, len(rows))
        assert_one_record_each(proxy, crowd, pacing, killed, str(workers))


async def killed_under_load(proxy: Proxy, crowd: Crowd, label: str) -> list[Kill]:
    """Kills workers by lot while clients ask."""
    chance, stop, numbers = random.Random(7), asyncio.Event(), itertools.count()

    async def go_on() -> None:
        client = await crowd.client()
        while not stop.is_set():
            if not client.usable:
                client = await crowd.client()
            nonce = f"{label}-{next(numbers)}"
            events = chance.choice((0, 5, 20))
            await client.ask(nonce, target(nonce, events=events, gap=0.02, wait=chance.random() / 5))

    killed = []
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(go_on())
        for _ in range(KILLS):
            await asyncio.sleep(1)
            killed.append(await asyncio.to_thread(killed_after_commits, proxy, chance))
        await asyncio.sleep(1)
        stop.set()
    return killed


def killed_after_commits(proxy: Proxy, chance: random.Random) -> Kill:
    """However slow the disk: what came before something that is committed has its open row, or is over by then and is
    committed before what comes after that."""
    settled = time.monotonic()
    once = committing(proxy, set(proxy.run["processes"].values()))
    os.kill(chance.choice(committing(proxy, set(once))), signal.SIGKILL)
    return settled, time.monotonic() + UPSTREAM_READS_S


def committing(proxy: Proxy, among: set[int]) -> list[int]:
    """Waits until some of these processes commit what is accepted from now on; which do."""
    after = time.time_ns() + round(2e9 * OPEN_ROW_S)

    def found() -> list[int]:
        rows = proxy.rows("SELECT DISTINCT process FROM exchanges WHERE started_ns > ?", after)
        return sorted({int(row["process"].split("-")[0], 16) for row in rows} & among)

    wait(found, "a commit of a worker that lives")
    return found()


def assert_one_record_each(proxy: Proxy, crowd: Crowd, pacing: Paced, killed: list[Kill], label: str) -> None:
    recorded = Counter(row["query"].split("nonce=")[1].split("&")[0] for row in proxy.rows())
    seen = {nonce: each for nonce, each in pacing.seen().items() if nonce.startswith(f"{label}-")}
    assert killed
    assert set(recorded.values()) == {1}
    assert recorded.keys() <= seen.keys() | {each.nonce for each in crowd.heard}
    answered = {each.nonce: each for each in crowd.heard if each.whole}
    assert seen.keys() - recorded.keys() <= {nonce for nonce, each in seen.items() if just_before(killed, each.begun)}
    outcomes = {row["request_id"]: row["outcome"] for row in proxy.rows()}
    assert set(outcomes.values()) == {"ok", "interrupted"}
    told = [each for each in answered.values() if not just_before(killed, each.ended or 0)]
    assert len(told) > 50
    assert {outcomes[each.request_id] for each in told} == {"ok"}
    assert {nonce: each.sha256 for nonce, each in answered.items()} == {nonce: seen[nonce].sha256 for nonce in answered}


def just_before(killed: list[Kill], moment: float) -> bool:
    return any(settled <= moment <= end for settled, end in killed)


def _settings(folder: Path) -> str:
    (folder / "anthropic-proxy.toml").write_text("[relay]\nlistn = 1\n")
    return "anthropic-proxy.toml:2: relay.listn is not a setting; did you mean relay.listen?"


def _no_toml(folder: Path) -> str:
    (folder / "anthropic-proxy.toml").write_text("[relay\n")
    return "anthropic-proxy.toml:1: this is not TOML (Expected "


def _no_text(folder: Path) -> str:
    (folder / "anthropic-proxy.toml").write_bytes(b"data = '\xff'\n")
    return "anthropic-proxy.toml: "


def _no_file(folder: Path) -> str:
    (folder / "anthropic-proxy.toml").mkdir()
    return "anthropic-proxy.toml: cannot be read (Is a directory)"


def _wrong_value(folder: Path) -> str:
    (folder / "anthropic-proxy.toml").write_text('[relay]\n\nworkers = "many"\n')
    return "anthropic-proxy.toml:3: relay.workers"


def _foreign_file(folder: Path) -> str:
    path = folder / "data" / "ledger.sqlite3"
    path.parent.mkdir()
    path.write_text("somebody's notes")
    return f"{path} {FOREIGN}"


def _foreign_database(folder: Path) -> str:
    path = folder / "data" / "ledger.sqlite3"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE notes (text TEXT)")
    return f"{path} {FOREIGN}"


def _no_folder(folder: Path) -> str:
    (folder / "data").touch()
    return f"the data folder {folder}/data cannot be used (File exists): make it writable or choose another"


TROUBLES = (
    *(_settings, _no_toml, _no_text, _no_file, _wrong_value),
    *(_foreign_file, _foreign_database, _no_folder),
)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", ["serve", "relay", "observe"])
def test_i5_what_stands_in_the_way_of_a_start_is_one_sentence(tmp_path: Path, name: str, trouble: object) -> None:
    assert callable(trouble)
    sentence = trouble(tmp_path)
    ports = {"serve": ["-p", "0", "--inspector", "127.0.0.1:0"], "relay": ["-p", "0"]}
    done = command(tmp_path, name, "--data", "data", *ports.get(name, ["--inspector", "127.0.0.1:0"]))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"anthropic-proxy: {sentence}")


def test_i5_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command(tmp_path, "--port", str(port))
    sentence = f"--port: relay.listen: 127.0.0.1:{port} is in use by another process; stop it or choose another port"
    assert done == Done(2, "", f"anthropic-proxy: {sentence}\n")


def test_i7_streams_go_on_after_their_relay_was_suspended_for_longer_than_their_time_outs(
    tmp_path: Path, pacing: Paced
) -> None:
    """What came meanwhile counts: nobody was silent for that long."""
    proxy = Proxy(tmp_path, pacing.url, relay="idle_timeout = 1.5\nclient_stall_timeout = 1.5")
    with proxy.running():
        crowd = Crowd(address(proxy.base_url))

        async def sleep_in_between() -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(30):
                    nonce = f"suspended-{number}"
                    group.create_task(crowd.ask(nonce, target(nonce, events=20, gap=0.3)))
                await asyncio.sleep(1)
                with proxy.suspended("relay"):
                    await asyncio.sleep(3)

        crowd.run(sleep_in_between())
        assert {(each.status, each.whole, each.events) for each in crowd.heard} == {(200, True, 20)}
        assert {row["outcome"] for row in proxy.finished(30)} == {"ok"}
        laws.check(proxy)


def test_i7_an_upstream_connection_that_was_closed_while_the_relay_was_suspended_is_not_used_again(
    tmp_path: Path,
) -> None:
    hang_up = threading.Event()

    def script(talk: Talk) -> None:
        talk.answer(b"{}")
        if talk.seen.line.startswith(b"GET /first"):
            hang_up.wait(20)
            talk.close()

    with Upstream(script=script).running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            assert ask(proxy.base_url, get("/first")).status == 200
            with proxy.suspended("relay"):
                hang_up.set()
                time.sleep(0.2)
            assert [ask(proxy.base_url, get("/again")).status for _ in range(3)] == [200] * 3
            assert {row["outcome"] for row in proxy.finished(4)} == {"ok"}
            laws.check(proxy)
