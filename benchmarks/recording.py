"""What recording costs: captures as the relay makes them, through reading, masking and the commit, in one thread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from benchmarks.sessions import Turn
from proxy.exchange import Attempt
from proxy.ledger.bodies import Packer
from proxy.ledger.connect import transaction, writer
from proxy.ledger.folder import Folder
from proxy.ledger.folder import prepare as make_folder
from proxy.ledger.writing import make_ready, prepare, remember, write
from proxy.reading.response import reader
from proxy.relay import headers
from proxy.relay.capture import Capture, Copy, Times
from proxy.relay.finish import Finisher
from proxy.settings.shape import Capture as CaptureSettings
from proxy.settings.shape import Endpoint

LIMIT = 32 * 1024 * 1024
START_NS = 1_795_270_000_000_000_000
ENDPOINT = Endpoint(path="/", upstreams=("anthropic",))


def captured(turn: Turn, number: int) -> Capture:
    """A request that is over, as the relay's event loop leaves it to the recorder."""
    request, response = Copy(LIMIT), Copy(LIMIT)
    request.add(turn.request)
    content_type = dict(turn.answer_headers).get("Content-Type")
    watching = reader(
        operation="messages", dialect="anthropic", content_type=content_type, content_encoding=None, status=200
    )
    arrived = 900.0
    chunks = []
    for event in turn.events:
        chunks.append((response.size, arrived))
        response.add(event)
        watching.feed(event, arrived)
        arrived += 21.5
    sent = [(name.lower().encode(), value.encode()) for name, value in turn.request_headers]
    answered = [(name.encode(), value.encode()) for name, value in turn.answer_headers]
    request_id = f"px_{number:026d}"
    return Capture(
        request_id=request_id,
        method="POST",
        raw_path=b"/v1/messages",
        query=b"beta=true",
        headers=sent,
        request=request,
        response=response,
        trace_id=hashlib.md5(request_id.encode(), usedforsecurity=False).hexdigest(),
        parent_span_id=None,
        span_id=f"{number:016x}",
        task=None,
        endpoint_name="default",
        endpoint=ENDPOINT,
        upstream="anthropic",
        dialect="anthropic",
        operation="messages",
        target="/v1/messages?beta=true",
        sent_headers=headers.forwarded(sent),
        status=200,
        upstream_headers=answered,
        returned_headers=headers.returned(answered, request_id.encode()),
        delivered=response.size,
        upload_complete=True,
        over=True,
        reader=watching,
        chunks=chunks,
        attempts=[_attempt(number)],
        times=Times(1.5, 2.5, None, 850.25, 900.125, 900.25, arrived, arrived + 0.5),
        started_ns=START_NS + number * 7_000_000_000,
    )


def _attempt(number: int) -> Attempt:
    return Attempt(
        number=1,
        upstream="anthropic",
        server_address="api.anthropic.com",
        server_port=443,
        span_id=f"{number:016x}",
        started_ms=1.0,
        sent_ms=2.5,
        headers_ms=850.25,
        ended_ms=850.25,
        status=200,
    )


def finisher(bodies: str = "all") -> Finisher:
    """What makes records of captures in the relay."""
    return Finisher(
        process="bench",
        salt=b"0" * 32,
        capture=CaptureSettings(bodies=bodies),  # type: ignore[arg-type]
        read_failed=lambda: None,
    )


class Recording:
    """A ledger and what writes it, without the thread: group by group, as the recorder does."""

    def __init__(self, folder: Folder, bodies: str = "all") -> None:
        make_folder(folder)
        self.conn = writer(folder.ledger)
        # Waiting for the disk is not what is measured.
        self.conn.execute("PRAGMA synchronous=OFF")
        self._finisher = finisher(bodies)
        self._packer = Packer()
        self._recorded = 0

    def captured(self, turns: Iterable[Turn]) -> list[Capture]:
        """What the event loop leaves to the recorder."""
        captures = [captured(turn, number) for number, turn in enumerate(turns, self._recorded)]
        self._recorded += len(captures)
        return captures

    def commit(self, captures: Iterable[Capture]) -> None:
        """All that the recorder does with one group."""
        ready = [prepare(self._finisher.finished(capture), self._packer) for capture in captures]
        make_ready(self.conn, ready, self._packer)
        with transaction(self.conn):
            write(self.conn, ready, START_NS)
        remember(ready, self._packer)

    def record(self, turns: Iterable[Turn]) -> None:
        """Both."""
        self.commit(self.captured(turns))

    def close(self) -> None:
        """Write everything into the one file."""
        self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.conn.close()
