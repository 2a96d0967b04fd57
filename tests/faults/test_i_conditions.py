"""Group I: clocks that jump, load, stalls, memory that ends, exceptions, old ledgers, and narrow surroundings."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from proxy.ledger.folder import Folder
from proxy.ledger.schema import APPLICATION_ID
from proxy.ledger.verify import verify
from tests.end_to_end.signals import scraped
from tests.kit import laws
from tests.kit.conditions import MEGABYTE, WallClock, limit, tmpfs
from tests.kit.crowd import Crowd
from tests.kit.paced import Paced, paced, target
from tests.kit.process import Proxy, wait
from tests.kit.raw import Connection, address, ask, get, post
from tests.kit.upstream import Upstream

WORKERS = ("--workers", "2")
DAY_S = 86_400
VERSION_1 = Path(__file__).parents[1] / "fixtures" / "ledger" / "version-1.sql"
NOBODY = 65534


@pytest.fixture(scope="module")
def pacing() -> Iterator[Paced]:
    with paced() as upstream:
        yield upstream


def all_whole(crowd: Crowd, pacing: Paced, proxy: Proxy) -> None:
    """Every client heard exactly what the upstream said to it, and has one record."""
    seen = pacing.seen()
    assert {(each.status, each.whole) for each in crowd.heard} == {(200, True)}
    assert [each.nonce for each in crowd.heard if each.sha256 != seen[each.nonce].sha256] == []
    rows = proxy.finished(len(crowd.heard), 60)
    assert {row["request_id"] for row in rows} == {each.request_id for each in crowd.heard}
    assert {row["outcome"] for row in rows} == {"ok"}


def until_summer_time_ends() -> int:
    """Seconds from now to two seconds before the hour between 2 and 3 comes again in Berlin."""
    end = datetime(2026, 10, 25, 1, tzinfo=UTC)
    return round(end.timestamp() - time.time()) - 2


def test_i6_times_are_right_while_local_time_repeats_an_hour(tmp_path: Path, pacing: Paced) -> None:
    clock = WallClock(tmp_path)
    offset = until_summer_time_ends()
    clock.move(offset)
    proxy = Proxy(tmp_path, pacing.url, env=clock.env | {"TZ": "Europe/Berlin"}, relay="idle_timeout = 5")

    async def ask_all(crowd: Crowd) -> None:
        for number in range(4):
            async with asyncio.TaskGroup() as group:
                for nonce in (f"hour-{number}-{each}" for each in range(3)):
                    group.create_task(crowd.ask(nonce, target(nonce, events=10, gap=0.1)))

    with proxy.running():
        crowd = Crowd(address(proxy.base_url))
        crowd.run(ask_all(crowd))
        all_whole(crowd, pacing, proxy)
        rows = proxy.finished(12)
        began = [row["started_ns"] for row in rows]
        assert began == sorted(began)
        assert all(abs(at / 1e9 - time.time() - offset) < 60 for at in began)
        assert all(900 <= row["duration_ms"] < 20_000 for row in rows)
        newest = proxy.api("/api/v1/exchanges", operation="all")["items"]
        assert [each["request_id"] for each in newest] == [row["request_id"] for row in reversed(rows)]
        laws.check(proxy)


@pytest.mark.parametrize("days", [1, -1])
def test_i6_times_are_right_and_nothing_times_out_when_the_wall_clock_jumps_by_a_day(
    tmp_path: Path, pacing: Paced, days: int
) -> None:
    clock = WallClock(tmp_path)
    relay = "idle_timeout = 5\nheader_timeout = 5\nupload_idle_timeout = 5\nclient_stall_timeout = 5"
    proxy = Proxy(tmp_path, pacing.url, env=clock.env, relay=relay)

    async def jump(crowd: Crowd) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                nonce = f"clock{days}-{number}"
                group.create_task(crowd.ask(nonce, target(nonce, events=10, gap=0.2, wait=0.2)))
            await asyncio.sleep(1)
            clock.move(days * DAY_S)
        for number in range(10, 15):
            await crowd.ask(f"clock{days}-{number}", target(f"clock{days}-{number}"))

    with proxy.running():
        crowd = Crowd(address(proxy.base_url))
        crowd.run(jump(crowd))
        all_whole(crowd, pacing, proxy)
        streams, after = proxy.finished(15)[:10], {each.request_id for each in crowd.heard[10:]}
        if days < 0:
            streams = [row for row in proxy.finished(15) if row["request_id"] not in after]
        assert all(2_000 <= row["duration_ms"] < 20_000 for row in streams)
        jumped = [row["started_ns"] for row in proxy.finished(15) if row["request_id"] in after]
        assert all(abs(started / 1e9 - time.time() - days * DAY_S) < 60 for started in jumped)
        laws.check(proxy)


def test_i8_descriptors_threads_and_open_requests_return_to_where_they_were_after_aborts(
    tmp_path: Path, pacing: Paced
) -> None:
    proxy = Proxy(tmp_path, pacing.url, arguments=WORKERS)
    with proxy.running():
        crowd = Crowd(address(proxy.base_url))
        crowd.run(asked_and_left(crowd, "warm", 200))
        wait(lambda: at_rest(proxy), "the first to be over")
        before = {name: held(proxy.pid(name)) for name in (*proxy.relays, "observer")}
        crowd.run(asked_and_left(crowd, "soak", 1_500))
        wait(lambda: at_rest(proxy), "everything to be over")
        wait(lambda: all(held(proxy.pid(name)) <= before[name] + 8 for name in before), f"to return to {before}", 40)
        wait(lambda: all(row["outcome"] for row in proxy.rows()), "every row to be closed")
        assert {row["outcome"] for row in proxy.rows()} == {"ok", "client_disconnected"}
        laws.check(proxy)


async def asked_and_left(crowd: Crowd, label: str, count: int) -> None:
    """So many requests of 40 clients, of which every fifth is left early."""
    chance, numbers = random.Random(label), iter(range(count))

    async def go_on() -> None:
        client = await crowd.client()
        for number in numbers:
            if not client.usable:
                client = await crowd.client()
            nonce = f"{label}-{number}"
            client.begin(nonce, target(nonce, events=chance.choice((0, 3)), gap=0.01, wait=0.01))
            if number % 5:
                await client.over()
            else:
                await asyncio.sleep(chance.random() / 50)
                client.leave()
                await client.over()

    async with asyncio.TaskGroup() as group:
        for _ in range(40):
            group.create_task(go_on())


def at_rest(proxy: Proxy) -> bool:
    shown = scraped(proxy.metrics(), health=True)
    return shown["proxy_requests_open", frozenset()] == 0


def held(pid: int) -> int:
    """Open files and threads."""
    process = psutil.Process(pid)
    return process.num_fds() + process.num_threads()


def test_i9_hundreds_of_streams_at_once_are_whole_and_each_has_one_record(tmp_path: Path, pacing: Paced) -> None:
    proxy = Proxy(tmp_path, pacing.url, arguments=WORKERS)

    async def listen(crowd: Crowd) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(300):
                nonce = f"many-{number}"
                group.create_task(crowd.ask(nonce, target(nonce, events=15, gap=0.2)))

    with proxy.running():
        crowd = Crowd(address(proxy.base_url))
        crowd.run(listen(crowd))
        assert len(crowd.transit_ms) == 300 * 15
        all_whole(crowd, pacing, proxy)
        laws.check(proxy)


def test_i10_a_stall_of_the_event_loop_is_exported(tmp_path: Path) -> None:
    def stalls(bound: str) -> float:
        series = scraped(proxy.metrics(), health=True)
        return series.get(("proxy_relay_loop_stall_ms_milliseconds_bucket", frozenset({("le", bound)})), 0.0)

    proxy = Proxy(tmp_path, "http://127.0.0.1:9", arguments=WORKERS)
    with proxy.running():
        wait(lambda: stalls("inf") > 10, "delays to be counted")
        long = stalls("inf") - stalls("250.0")
        with proxy.suspended("relay-2"):
            time.sleep(0.8)
        wait(lambda: stalls("inf") - stalls("250.0") > long, "the stall to be counted")


def test_i11_a_relay_without_memory_answers_or_ends_and_the_ledger_is_valid(tmp_path: Path) -> None:
    body = post("/v1/messages", json.dumps({"model": "m", "x": "x" * (24 * MEGABYTE)}).encode())
    with Upstream().running() as upstream:
        proxy = Proxy(tmp_path, upstream.url)
        with proxy.running():
            number = proxy.pid("relay")
            limit(number, memory=psutil.Process(number).memory_info().vms + 48 * MEGABYTE)
            with contextlib.ExitStack() as opened:
                clients = [opened.enter_context(Connection(address(proxy.base_url), 30)) for _ in range(6)]
                for client in clients:
                    with contextlib.suppress(OSError):
                        client.send(body)
                told = [client.reply() for client in clients]
            assert any(reply.status != 200 for reply in told), "the memory was enough"
            wait(lambda: ask(proxy.base_url, get("/after")).status == 200, "the relay or its successor to answer")
            wait(lambda: "/after" in {row["path"] for row in proxy.rows()}, "its record")
            wait(lambda: not proxy.rows("SELECT 1 FROM exchanges WHERE outcome IS NULL"), "the others to be closed")
            assert verify(Folder(proxy.data)) == []


COMPLAINTS = ("never awaited", "unclosed", "was never retrieved", "Warning", "Traceback", "was destroyed")


def test_i12_nothing_complains_with_warnings_as_errors_and_in_development_mode(tmp_path: Path, pacing: Paced) -> None:
    strict = {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1"}
    proxy = Proxy(tmp_path, pacing.url, env=strict)
    with proxy.running():
        crowd = Crowd(address(proxy.base_url))
        crowd.run(asked_and_left(crowd, "strict", 100))
        assert ask(proxy.base_url, post("/v1/messages", b"{}", "Transfer-Encoding: chunked\r\n")).status == 400
        for page in ("/", "/requests", "/metrics", "/api/v1/exchanges"):
            with proxy.client() as client:
                assert client.get(page, follow_redirects=True).status_code == 200
        laws.check(proxy)
    assert [word for word in COMPLAINTS if word in proxy.said()] == [], proxy.said()


def test_i14_a_ledger_of_the_first_version_is_migrated_and_goes_on(tmp_path: Path) -> None:
    with Upstream().running() as upstream:
        keep = '[retention]\nbodies = "36500d"\nmetadata = "36500d"'
        proxy = Proxy(tmp_path, upstream.url, rest=keep)
        proxy.data.mkdir(mode=0o700)
        with contextlib.closing(sqlite3.connect(proxy.data / "ledger.sqlite3")) as conn:
            conn.executescript(VERSION_1.read_text())
            conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            conn.execute("PRAGMA user_version = 1")
            conn.execute("UPDATE journal SET commit_ns = (SELECT max(started_ns) + 1 FROM exchanges)")
            conn.commit()
        old = {row["request_id"] for row in proxy.rows()}
        with proxy.running():
            assert ask(proxy.base_url, get("/new")).status == 200
            wait(lambda: "/new" in {row["path"] for row in proxy.rows()}, "the new record")
            assert old < {row["request_id"] for row in proxy.rows()}
            for request_id in old:
                assert proxy.api(f"/api/v1/exchanges/{request_id}")["request_id"] == request_id
            wait(lambda: not proxy.rows("SELECT 1 FROM exchanges WHERE outcome IS NULL"), "what was open to be closed")
            assert verify(Folder(proxy.data)) == []
        assert old


NARROW = f"""
mount -o remount,bind,ro / && mount -t proc proc /proc &&
exec env -u HOME -u XDG_DATA_HOME setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups \\
    --inh-caps +dac_read_search --ambient-caps +dac_read_search --no-new-privs "$@"
"""
"""Process 1 of a container: nobody (who may read what root installed), without home, nothing writable but the data."""


def test_i15_runs_as_process_1_as_nobody_without_home_and_terminal_on_a_read_only_root(tmp_path: Path) -> None:
    prefix = ("unshare", "--mount", "--pid", "--fork", "setsid", "sh", "-c", NARROW, "sh")
    with Upstream().running() as upstream, tmpfs(tmp_path / "data", 64) as data:
        os.chown(data, NOBODY, NOBODY)
        proxy = Proxy(tmp_path, upstream.url, prefix=prefix, arguments=WORKERS)
        proxy.start()
        assert proxy.pid("supervisor") == 1
        assert proxy._process is not None
        [first] = psutil.Process(proxy._process.pid).children()
        assert first.uids().real == NOBODY
        reply = ask(proxy.base_url, get("/"))
        assert (reply.status, proxy.exchange(reply.request_id)["outcome"]) == (200, "ok")
        assert (data / "ledger.sqlite3").stat().st_uid == NOBODY
        first.send_signal(signal.SIGTERM)
        assert proxy._process.wait(30) == 0, proxy.said()
        laws.check(proxy)


@pytest.mark.parametrize("name", ["[::1]", "localhost"])
def test_i16_an_address_in_ipv6_and_a_name_are_listened_on_and_admitted(tmp_path: Path, name: str) -> None:
    listen = {"ANTHROPIC_PROXY_RELAY_LISTEN": f"{name}:0", "ANTHROPIC_PROXY_INSPECTOR_LISTEN": f"{name}:0"}
    with Upstream().running() as upstream:
        proxy = Proxy(tmp_path, upstream.url, env=listen)
        with proxy.running():
            host, port = address(proxy.base_url)
            assert (host == "::1") is (name == "[::1]")
            for spelled in (name, f"{name}:{port}", "localhost"):
                assert ask(proxy.base_url, get("/", host=spelled)).status == 200
            assert proxy.api("/api/v1/exchanges")
            laws.check(proxy)
