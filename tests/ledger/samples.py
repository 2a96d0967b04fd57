"""Records with fixed ids and clocks, and a recorder held for the length of a block."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from proxy.exchange import (
    Attempt,
    Exchange,
    Headers,
    Hop,
    LimitReading,
    Outcome,
    Usage,
    UsageSource,
    WindowReading,
)
from proxy.ledger import processes
from proxy.ledger.bodies import Packer
from proxy.ledger.changes import Body, Finished, Opened
from proxy.ledger.connect import transaction, writer
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder
from proxy.ledger.recorder import MAX_HELD, Recorder
from proxy.ledger.writing import prepare, write

START_NS = 1_760_000_000_000_000_000
SECOND_NS = 1_000_000_000
DAY = 86_400.0
PAGE = 4_096
HEADERS: Headers = (("content-type", "application/json"), ("x-twice", "one"), ("x-twice", "two"))


def request_id(number: int) -> str:
    """An id of the right shape that sorts by `number`."""
    return f"px_{number:026d}"


def opened(number: int, process: str = "p1") -> Exchange:
    """What is known of a request when it is accepted, one second after the one before."""
    return Exchange(
        request_id=request_id(number),
        process=process,
        started_ns=START_NS + number * SECOND_NS,
        method="POST",
        path="/v1/messages",
        endpoint="default",
        operation="messages",
        dialect="anthropic",
        trace_id=f"{number:032x}",
    )


def closed(number: int, process: str = "p1") -> Exchange:
    """A finished exchange of which everything is known."""
    usage = Usage(10, 20, 30, 40, 25, 15, 5, 1, 2, "standard", "fast", "us", '{"input_tokens":10}')
    attempt = Attempt(1, "anthropic", "api.anthropic.com", 443, "a" * 16, None, 1.0, 2.0, 3.0, 4.0, 5.0, 200)
    return replace(
        opened(number, process),
        outcome=Outcome.OK,
        query="beta=true",
        organization="acme",
        workflow="nightly",
        key="caller-abcdefgh",
        group="automation",
        session_id="session",
        agent_id="agent",
        parent_agent_id="parent",
        account="account",
        credential="team-a",
        client="claude-cli/2.0",
        upstream="anthropic",
        provider="anthropic",
        model="claude-sonnet-4-5",
        response_model="claude-sonnet-4-5-20250929",
        stream=True,
        status=200,
        finish_reason="end_turn",
        upstream_request_id=f"req_{number}",
        message_id=f"msg_{number}",
        billing="subscription",
        usage=usage,
        usage_source=UsageSource.FINAL,
        parameters='{"max_tokens":1024}',
        message_count=3,
        request_bytes=100,
        response_bytes=200,
        duration_ms=1234.5,
        first_token_ms=300.25,
        attempts=(replace(attempt, status=529, error_type="overloaded_error"), replace(attempt, number=2)),
        windows=(WindowReading("account", "7d", 41.5, 1_760_100_000, "allowed"), WindowReading("account", "5h", 101.0)),
        limits=(LimitReading("account", "tokens", 100, 50, 1_760_000_060),),
    )


def body(content: bytes) -> Body:
    """A body stored whole."""
    return Body((content,), len(content), hashlib.sha256(content).hexdigest())


def finished(number: int, process: str = "p1", content: bytes = b"") -> Finished:
    """The end of exchange `number` with headers and bodies of its own."""
    own = content or b'{"request":%d}' % number
    return Finished(
        closed(number, process),
        headers={Hop.CLIENT_REQUEST: HEADERS, Hop.UPSTREAM_REQUEST: HEADERS, Hop.UPSTREAM_RESPONSE: (("a", "b"),)},
        bodies={
            Hop.CLIENT_REQUEST: body(own),
            Hop.UPSTREAM_REQUEST: Hop.CLIENT_REQUEST,
            Hop.UPSTREAM_RESPONSE: body(b"answer to " + own),
            Hop.CLIENT_RESPONSE: Hop.UPSTREAM_RESPONSE,
        },
        chunks=((0, 1.5), (10, 2.25)),
    )


def store(folder: Folder, *changes: Opened | Finished, now_ns: int = START_NS) -> None:
    """Write changes without a recorder, in one transaction."""
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        write(conn, [prepare(change, Packer()) for change in changes], now_ns)


def rows(folder: Folder, sql: str, *values: object) -> list[tuple[object, ...]]:
    """What another program sees in the file."""
    with closing(sqlite3.connect(folder.ledger)) as conn:
        return conn.execute(sql, values).fetchall()


class Letter(NamedTuple):
    """What one signal gave up."""

    signal: str
    seq: int
    request_id: str
    reason: str
    detail: str | None


def letters(conn: sqlite3.Connection) -> list[Letter]:
    """What was given up, the latest first."""
    found = conn.execute("SELECT signal, seq, request_id, reason, detail FROM dead_letters ORDER BY id DESC")
    return [*map(Letter._make, found)]


def alter(folder: Folder, *statements: str) -> None:
    """Change the file as another program would."""
    with closing(sqlite3.connect(folder.ledger)) as conn, conn:
        for statement in statements:
            conn.execute(statement)


def wait(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


@dataclass(frozen=True)
class Recording:
    """A relay process's share in the ledger."""

    recorder: Recorder
    counters: Counters

    def count(self, name: str) -> int:
        """One counter."""
        return self.counters.read().values[name]


@contextmanager
def recording(
    folder: Folder,
    process: str = "p1",
    max_held: int = MAX_HELD,
    connect: Callable[..., sqlite3.Connection] = writer,
    low: Callable[[], bool] = bool,
) -> Iterator[Recording]:
    """A started recorder whose process is alive for the length of the block, stopped at its end."""
    with processes.hold(folder, process):
        counters = Counters.create(folder, process)
        recorder = Recorder(folder, process, counters, max_held, connect=connect, low=low)
        recorder.start()
        try:
            yield Recording(recorder, counters)
        finally:
            recorder.stop(10)


def enlarge(folder: Folder, size: int) -> None:
    """Make the file larger by so many bytes that nobody looks at."""
    alter(folder, "CREATE TABLE filler (x)", f"INSERT INTO filler VALUES (zeroblob({size}))")


def pages_of(folder: Folder, name: str) -> list[int]:
    """The numbers of the pages of a table or index: its root first, then those it points to where it is not a leaf."""
    [(root,)] = rows(folder, "SELECT rootpage FROM sqlite_schema WHERE name = ?", name)
    with folder.ledger.open("rb") as file:
        file.seek((int(str(root)) - 1) * PAGE)
        page = file.read(PAGE)
    if page[0] not in (2, 5):
        return [int(str(root))]
    cells = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(int.from_bytes(page[3:5], "big"))]
    children = [int.from_bytes(page[cell : cell + 4], "big") for cell in cells]
    return [int(str(root)), *children, int.from_bytes(page[8:12], "big")]


def flip(folder: Folder, pages: Iterable[int]) -> None:
    """Damage pages of the file, or undo that: every bit of their headers is turned over."""
    with folder.ledger.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            head = file.read(100)
            file.seek((page - 1) * PAGE)
            file.write(bytes(each ^ 0xFF for each in head))
