"""Group F, the files of the ledger: kills, power loss, damage, foreign files, migrations, permissions, removal."""

from __future__ import annotations

import ast
import itertools
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.processes import free_port
from proxy.ledger import damage, schema
from proxy.ledger.connect import cut_log, transaction, writer
from proxy.ledger.counters import read_all
from proxy.ledger.errors import LedgerRefused
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.space import network
from proxy.ledger.verify import verify
from tests.cli.commands import command
from tests.faults.stored import Sized, answered, degraded, sized, stored_bodies
from tests.kit import laws
from tests.kit.alone import alone
from tests.kit.conditions import MOUNTS, injecting
from tests.kit.process import Proxy, wait
from tests.kit.raw import Reply, ask, get, post
from tests.kit.upstream import Upstream
from tests.ledger.samples import PAGE, enlarge, finished, flip, pages_of, request_id, rows, store
from tests.ledger.test_bodies import conversation
from tests.processes.load import Load, Streams, open_streams

PRODUCT = Path(__file__).parents[2] / "proxy"
KILLS = 5
COMMIT_WINDOW_S = 1.0
"""What was answered longer ago must be in the ledger, whatever happens. `docs/figures.md` has how long that takes; a
disk that others use may take ten times as long."""
TURNS = 12
WITH_BODY = "SELECT request_id FROM exchange_bodies WHERE hop = 'client_request' AND body IS NOT NULL"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(script=Sized()).running() as one:
        yield one


@pytest.mark.timeout(180)
def test_f1_a_relay_killed_again_and_again_loses_nothing_older_than_the_commit_window(tmp_path: Path) -> None:
    """I3, L1, L2: each on the same port again; what was open becomes `interrupted` and has its request body

    The clients are agents whose requests grow, so that pieces are written when the kill comes.
    """
    turns = (number % TURNS + 1 for number in itertools.count())
    streams = Streams()
    with Upstream(script=streams).running() as upstream:
        url = f"http://127.0.0.1:{free_port()}"
        proxy = Proxy(tmp_path, upstream.url, env={"ANTHROPIC_PROXY_RELAY_LISTEN": url.removeprefix("http://")})
        held: set[str] = set()
        agent = Load(url, request=lambda: post("/v1/messages", conversation(next(turns))))
        with alone(proxy, "observe"), agent as load:
            for _ in range(KILLS):
                with alone(proxy, "relay") as relay:
                    held.add(killed_under_load(relay, proxy, url, load))
            with alone(proxy, "relay"):
                wait(lambda: closed(proxy, held), "the streams that were open to be closed")
        laws.check(proxy)
        rows = proxy.rows()
        assert load.wrong == []
        assert {row["outcome"] for row in rows if row["request_id"] in held} == {"interrupted"}
        assert {row["outcome"] for row in rows} == {"ok", "interrupted"}
        assert held <= {row["request_id"] for row in proxy.rows(WITH_BODY)}
        assert stored_bodies(proxy) >= {conversation(turn) for turn in range(1, TURNS + 1)}


def killed_under_load(relay: subprocess.Popen[bytes], proxy: Proxy, url: str, load: Load) -> str:
    """Kills a relay while requests pass; the id of a stream that was open then."""
    settled = len(load.answered)
    wait(lambda: len(load.answered) > settled + 5, "traffic to flow")
    with open_streams(url, 1) as [stream]:
        answered = set(load.answered[settled:])
        head = stream.until(b"\r\n\r\n").split(b"\r\n\r\n")[0]
        time.sleep(COMMIT_WINDOW_S)
        relay.kill()
        relay.wait()
    assert answered
    assert not answered - stored(proxy)
    return Reply(head, b"", False).request_id or ""


def stored(proxy: Proxy) -> set[str]:
    return {row["request_id"] for row in proxy.rows("SELECT request_id FROM exchanges WHERE outcome = 'ok'")}


def closed(proxy: Proxy, ids: set[str]) -> bool:
    return ids <= {row["request_id"] for row in proxy.rows("SELECT request_id FROM journal")}


def test_f2_every_commit_is_flushed_before_the_next_one_is_written(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        with traced(proxy.pid("relay"), tmp_path / "calls") as calls:
            for number in range(1, 6):
                assert answered(proxy, 1, 1_000)
                proxy.finished(number)
        on_log = re.findall(r"(pwrite64|fdatasync)\(\d+<[^>]*ledger\.sqlite3-wal>", calls.read_text())
        groups = re.findall("w+s+", "".join("w" if name == "pwrite64" else "s" for name in on_log))
        assert len(groups) >= 5
        assert "".join(groups) == "".join("w" if name == "pwrite64" else "s" for name in on_log)
        laws.check(proxy)


@contextmanager
def traced(pid: int, calls: Path) -> Iterator[Path]:
    """Notes the writes and flushes of a process, with the files they go to."""
    program = ["strace", "-f", "-y", "-e", "trace=pwrite64,fdatasync", "-o", str(calls), "-p", str(pid)]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        yield calls
        tracer.terminate()


def test_f7_a_reader_that_turns_writer_fails_at_once_and_nobody_does_so(tmp_path: Path) -> None:
    folder = ledger(tmp_path, 1)
    with closing(writer(folder.ledger)) as late, closing(writer(folder.ledger)) as early:
        late.execute("BEGIN")
        late.execute("SELECT count(*) FROM exchanges").fetchone()
        with transaction(early):
            early.execute("INSERT INTO ledger_meta VALUES ('a', 'b')")
        with pytest.raises(sqlite3.OperationalError) as caught:
            late.execute("INSERT INTO ledger_meta VALUES ('c', 'd')")
        assert caught.value.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT
    begun = {
        (path.relative_to(PRODUCT).as_posix(), *found)
        for path in PRODUCT.rglob("*.py")
        for found in begins(ast.parse(path.read_text("utf-8")))
    }
    # The last one only reads: its connection can do nothing else.
    assert begun == {
        *((f"ledger/{name}.py", "connect", "isolation_level=None") for name in ("connect", "folder")),
        *((f"ledger/{name}.py", "statement", "BEGIN IMMEDIATE") for name in ("connect", "schema")),
        ("ledger/verify.py", "statement", "BEGIN"),
    }
    assert (PRODUCT / "ledger" / "verify.py").read_text().count("reader(folder.ledger)") == 1


def begins(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Whatever may begin a transaction: statements, connections that do it by themselves, cut out of the source."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {id(node.value) for part in ast.walk(module) if isinstance(part, documented) for node in strings(part)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            for found in re.finditer(
                r"(?<!-)\b(BEGIN|SAVEPOINT)\b(?:\s+(?:IMMEDIATE|DEFERRED|EXCLUSIVE)\b)?", node.value
            ):
                yield "statement", found[0]
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sqlite3.connect"):
            given = [ast.unparse(each) for each in node.keywords if each.arg == "isolation_level"]
            yield "connect", "".join(given)


def strings(part: ast.AST) -> Iterator[ast.Expr]:
    """The strings that stand in a body for themselves: documentation."""
    for node in getattr(part, "body", ()):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node


def test_f7_writers_that_read_first_wait_for_each_other(tmp_path: Path) -> None:
    folder = ledger(tmp_path, 0)
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        conn.execute("INSERT INTO ledger_meta VALUES ('count', '0')")

    def count() -> None:
        with closing(writer(folder.ledger)) as conn:
            for _ in range(50):
                with transaction(conn):
                    [known] = conn.execute("SELECT value FROM ledger_meta WHERE name = 'count'").fetchone()
                    conn.execute("UPDATE ledger_meta SET value = ? WHERE name = 'count'", (str(int(known) + 1),))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(folder, "SELECT value FROM ledger_meta WHERE name = 'count'") == [("200",)]


def ledger(folder: Path, number: int) -> Folder:
    """A ledger with so many requests, that no process has open."""
    made = Folder(folder / "data")
    prepare(made)
    store(made, *(finished(each) for each in range(number)))
    return made


def test_f8_a_large_ledger_is_searched_where_it_is_written(tmp_path: Path, upstream: Upstream) -> None:
    folder = ledger(tmp_path, 50)
    enlarge(folder, damage.SMALL)
    flip(folder, [*pages_of(folder, "exchanges"), *pages_of(folder, "journal")])
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        assert f"the ledger {folder.ledger} is damaged" in proxy.said()
        assert "proxy_ledger_set_aside 1.0" in proxy.metrics()
        assert answered(proxy, 5, 1_000)
        proxy.finished(5)
        laws.check(proxy)


def test_f8_a_ledger_damaged_under_traffic_is_told_and_the_next_start_begins_anew(
    tmp_path: Path, upstream: Upstream
) -> None:
    proxy, folder = Proxy(tmp_path, upstream.url), Folder(tmp_path / "data")
    with proxy.running():
        assert answered(proxy, 5, 1_000)
        proxy.finished(5)
        stored_then = proxy.rows("SELECT request_id FROM exchanges")
        with closing(writer(folder.ledger)) as conn:
            wait(lambda: cut_log(conn), "the log to be cut")
        flip(folder, pages_of(folder, "journal_finished"))
        wait(lambda: answered(proxy, 1, 1_000) and degraded(proxy.base_url) == ["ledger_damaged"], "it to be told")
        assert answered(proxy, 10, 1_000)
        asked = len(upstream.seen)
        assert proxy.stop() == 0
    [line] = [line for line in proxy.said().splitlines() if f"the ledger {folder.ledger} is damaged" in line]
    assert "start the proxy again, which then moves it aside and begins a new one" in line
    lost = sum(each.values["records_lost"] for each in read_all(folder).values())
    assert lost == asked - len(rows(folder, "SELECT 1 FROM exchanges WHERE outcome IS NOT NULL"))
    assert lost >= 10
    with proxy.running():
        [aside] = [path for path in folder.set_aside() if not path.name.endswith(("-wal", "-shm"))]
        with closing(sqlite3.connect(aside)) as conn:
            kept = conn.execute("SELECT request_id FROM exchanges").fetchall()
        assert {each["request_id"] for each in stored_then} <= {each for (each,) in kept}
        assert degraded(proxy.base_url) == []
        assert answered(proxy, 3, 1_000)
        proxy.finished(3)
        wait(lambda: f'proxy_dropped_total{{reason="ledger_error"}} {lost}.0' in proxy.metrics(), "the count")
        laws.check(proxy)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["flip", "zero", "swap", "cut", "log", "grow"]),
    places=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=20),
)
def test_f8_whatever_is_damaged_a_start_ends_in_a_ledger_that_can_be_written(
    tmp_path_factory: pytest.TempPathFactory, kind: str, places: list[tuple[float, int]]
) -> None:
    """Or in one sentence, where the file looks like somebody else's"""
    folder = ledger(tmp_path_factory.mktemp("damage"), 30)
    before = folder.ledger.read_bytes()
    after = damaged(before, kind, places)
    (folder.ledger if kind != "log" else folder.ledger.with_name("ledger.sqlite3-wal")).write_bytes(after)
    try:
        aside = prepare(folder)
    except LedgerRefused as error:
        refused = str(error)
    else:
        refused = ""
    assert "\n" not in refused
    if refused:
        return
    if aside is not None:
        assert aside.read_bytes() == (before if kind == "log" else after)
        assert rows(folder, "SELECT count(*) FROM exchanges") == [(0,)]
    store(folder, finished(31))
    assert rows(folder, "SELECT outcome FROM exchanges WHERE request_id = ?", request_id(31)) == [("ok",)]


def damaged(data: bytes, kind: str, places: list[tuple[float, int]]) -> bytes:
    made = bytearray(data)
    for share, mask in places:
        place = int(share * len(data))
        page = place - place % PAGE
        if kind in ("flip", "log"):
            made[place] ^= mask
        elif kind == "zero":
            made[place : place + mask] = bytes(len(made[place : place + mask]))
        elif kind == "swap" and page:
            made[page : page + PAGE], made[-PAGE:] = made[-PAGE:], made[page : page + PAGE]
        elif kind == "cut":
            return bytes(made[: place + 1])
        elif kind == "grow":
            made += os.urandom(mask * 100)
    return bytes(made)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(4_096, len(data), 1_024):
        data[place] ^= 0xFF
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped bytes": flipped,
    "no header": lambda path: path.write_bytes(bytes(100) + path.read_bytes()[100:]),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_f8_a_damaged_ledger_is_set_aside_loudly(tmp_path: Path, upstream: Upstream, damage: str) -> None:
    folder = ledger(tmp_path, 50)
    DAMAGE[damage](folder.ledger)
    before = folder.ledger.read_bytes()
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        [aside] = [path for path in folder.set_aside() if not path.name.endswith(("-wal", "-shm"))]
        assert aside.read_bytes() == before
        assert "is damaged" in proxy.said()
        assert f"moved to {aside}" in proxy.said()
        assert "proxy_ledger_set_aside 1.0" in proxy.metrics()
        assert answered(proxy, 1, 1_000)
        proxy.finished(1)
        laws.check(proxy)


def test_f8_an_empty_file_becomes_a_ledger(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    proxy.data.mkdir()
    (proxy.data / "ledger.sqlite3").touch()
    with proxy.running():
        assert answered(proxy, 1, 1_000)
        proxy.finished(1)
        assert "proxy_ledger_set_aside 0.0" in proxy.metrics()
        laws.check(proxy)


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("CREATE TABLE theirs (x)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("PRAGMA user_version = 999")


NOT_OURS: dict[str, tuple[Callable[[Path], object], str]] = {
    "foreign": (foreign, "is not a ledger of anthropic-proxy: move it or choose another data folder"),
    "newer": (newer, "was written by a newer anthropic-proxy (version 999, this one knows "),
}


@pytest.mark.parametrize("kind", NOT_OURS)
def test_f8_a_file_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    folder = ledger(tmp_path, 1)
    make, sentence = NOT_OURS[kind]
    make(folder.ledger)
    before = folder.ledger.read_bytes()
    for arguments in (("serve", "--port", "0", "--inspector", "127.0.0.1:0"), ("export",), ("purge", "--all", "--yes")):
        done = command(tmp_path, arguments[0], "--data", "data", *arguments[1:])
        assert done.code == 2, arguments
        assert len(done.err.splitlines()) == 1
    assert sentence in command(tmp_path, "serve", "--data", "data", "--port", "0", "--inspector", "127.0.0.1:0").err
    assert folder.ledger.read_bytes() == before
    assert folder.set_aside() == []


def test_f12_a_second_observer_is_refused_and_a_second_relay_is_not(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        before = proxy.run
        done = command(tmp_path, "observe", "--config", str(proxy.config), "--data", str(proxy.data))
        assert (done.code, done.out) == (2, "")
        assert f"observer already runs on {proxy.data}: stop it or choose another data folder" in done.err
        assert proxy.run == before
        url = f"http://127.0.0.1:{free_port()}"
        more = Proxy(tmp_path, upstream.url, env={"ANTHROPIC_PROXY_RELAY_LISTEN": url.removeprefix("http://")})
        with alone(more, "relay"):
            wait(lambda: accepts(url), "the second relay to listen")
            replies = [ask(each, sized(1_000)) for each in (before["relay"], url)]
            assert {reply.status for reply in replies} == {200}
            assert len({row["process"] for row in proxy.finished(2)}) == 2
        laws.check(proxy)


def accepts(url: str) -> bool:
    try:
        return ask(url, get("/healthz")).status == 200
    except ConnectionRefusedError:
        return False


def test_f12_a_network_disk_is_known_by_its_mount() -> None:
    """Mounting one takes a server; `doctor` and every start ask this of the mounts there are"""
    assert [network(MOUNTS, path) for path in ("/srv/data", "/srv/fast", "/home")] == ["nfs4", None, None]


NEXT = """
import sqlite3, sys
from proxy.ledger import schema
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
new = "CREATE TABLE more (x); INSERT INTO more SELECT hex(randomblob(2000)) FROM exchanges; CREATE INDEX i ON more (x)"
schema.migrate(conn, [*schema.scripts(), new])
"""


def migrated(folder: Folder, *prefix: str) -> int:
    """Brings a ledger to a version that is still to come; the exit code."""
    program = [*prefix, sys.executable, "-c", NEXT, str(folder.ledger)]
    return subprocess.run(program, cwd=PRODUCT.parent, check=False, capture_output=True).returncode


def test_f13_a_migration_that_is_killed_has_happened_or_not(tmp_path: Path) -> None:
    folder = ledger(tmp_path, 100)
    version = len(schema.scripts())
    for write in (1, 2, 5, 10, 20, 40):
        assert migrated(folder, *injecting(f"pwrite64:signal=SIGKILL:when={write}")) in (-signal.SIGKILL, 137)
        assert rows(folder, "PRAGMA user_version") == [(version,)]
        prepare(folder)
        assert verify(folder) == []
    assert migrated(folder) == 0
    assert rows(folder, "PRAGMA user_version") == [(version + 1,)]
    assert rows(folder, "SELECT count(*) FROM exchanges") == [(100,)]


def test_f13_going_back_to_an_older_version_is_refused_and_harms_nothing(tmp_path: Path, upstream: Upstream) -> None:
    folder = ledger(tmp_path, 10)
    assert migrated(folder) == 0
    with pytest.raises(LedgerRefused, match="was written by a newer anthropic-proxy"):
        prepare(folder)
    done = command(tmp_path, "serve", "--data", "data", "--port", "0", "--inspector", "127.0.0.1:0")
    assert done.code == 2
    assert rows(folder, "SELECT count(*) FROM more") == [(10,)]
    assert verify(folder) == []


def test_f14_only_the_owner_can_read_anything_whatever_the_umask(tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    proxy = Proxy(tmp_path, upstream.url, prefix=("sh", "-c", 'umask 0; exec "$@"', "sh"))
    with proxy.running():
        assert answered(proxy, 3, 1_000)
        proxy.finished(3)
        wait((proxy.data / "reserve").exists, "the reserve")
        with proxy.client() as client:
            assert client.get("/sign-in").status_code == 200
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (proxy.data, *proxy.data.rglob("*"))}
        names = {path.name for path in modes}
        assert {"ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "token", "salt", "run.json"} <= names
        assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
        assert {path: oct(mode) for path, mode in modes.items() if not path.is_dir() and mode & 0o077} == {}
        laws.check(proxy)


def test_f15_what_is_purged_is_in_no_file_and_the_proxy_goes_on(tmp_path: Path, upstream: Upstream) -> None:
    proxy = Proxy(tmp_path, upstream.url)
    with proxy.running():
        replies = [ask(proxy.base_url, sized(3_000)) for _ in range(12)]
        ids = [reply.request_id or "" for reply in replies]
        proxy.finished(12)
        gone = [option for each in ids[:6] for option in ("--request", each)]
        done = command(tmp_path, "purge", "--data", str(proxy.data), *gone, "--yes")
        assert (done.code, done.err) == (0, "")
        assert answered(proxy, 3, 1_000)
        files = b"".join(path.read_bytes() for path in proxy.data.rglob("*") if path.is_file())
        assert [reply.body[:90] in files for reply in replies] == [False] * 6 + [True] * 6
        assert [each.encode() in files for each in ids] == [False] * 6 + [True] * 6
        assert stored_bodies(proxy) >= {reply.body for reply in replies[6:]}
        assert stored_bodies(proxy).isdisjoint({reply.body for reply in replies[:6]})
        with proxy.client() as client:
            assert client.get(f"/api/v1/exchanges/{ids[0]}").status_code == 404
            assert client.get(f"/api/v1/exchanges/{ids[6]}").status_code == 200
        assert {row["request_id"] for row in proxy.finished(9)} >= {*ids[6:]}
        laws.check(proxy)


def test_f15_purging_counts_what_was_not_exported(tmp_path: Path, upstream: Upstream) -> None:
    """L3"""
    env = {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"http://127.0.0.1:{free_port()}/v1/logs"}
    proxy = Proxy(tmp_path, upstream.url, env=env)
    with proxy.running():
        assert answered(proxy, 4, 1_000)
        proxy.finished(4)
        wait(lambda: rows(Folder(proxy.data), "SELECT seq FROM cursors WHERE name = 'metrics'") == [(4,)], "the totals")
        assert command(tmp_path, "purge", "--data", str(proxy.data), "--all", "--yes").code == 0
        wait(lambda: 'proxy_dropped_total{reason="evicted"} 4.0' in proxy.metrics(), "the count", 40)
        assert "proxy_request_count_total" in proxy.metrics()
        laws.check(proxy)
