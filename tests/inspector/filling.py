"""Requests for the tests' ledgers, told to a real recorder, priced as the observer prices them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from proxy.exchange import Attempt, Exchange, Headers, Hop, LimitReading, Outcome, Usage, UsageSource, WindowReading
from proxy.ledger import costs
from proxy.ledger.changes import Body, Change, Finished, Opened
from proxy.ledger.connect import transaction, writer
from proxy.ledger.counters import Counters
from proxy.ledger.folder import Folder, prepare
from proxy.ledger.processes import hold
from proxy.ledger.recorder import Recorder
from proxy.observer.costs import cost_of
from proxy.pricing import PriceTable
from proxy.relay.ids import RequestIds
from tests.kit.process import wait

NOW_NS = 1_795_265_491_000_000_000
"""2026-11-21 12:51:31 UTC."""
SECOND = 1_000_000_000
PROCESS = "test-1"
TRANSPORT: Headers = (("host", "127.0.0.1:8080"), ("user-agent", "claude-cli/2.1.329 (external, sdk-cli)"))


class Told:
    """A data folder with a recorder that is told what happened."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        prepare(self.folder)
        self._counters = Counters.create(self.folder, PROCESS)
        self._recorder = Recorder(self.folder, PROCESS, self._counters)
        self._ids = RequestIds()
        self._recorder.start()

    def close(self) -> None:
        """Commit what waits."""
        assert self._recorder.stop(10)

    def id_at(self, started_ns: int) -> str:
        """A new request id."""
        return self._ids.next(started_ns)

    def tell(self, change: Change) -> None:
        """Record a change; it is committed about 50 ms later."""
        self._recorder.put(lambda: change, 1)

    def opened(self, exchange: Exchange) -> None:
        """A request was accepted."""
        self.tell(Opened(exchange))

    def finished(
        self,
        exchange: Exchange,
        *,
        request: bytes = b"",
        response: bytes = b"",
        response_headers: Headers = (("content-type", "application/json"),),
        chunks: Sequence[tuple[int, float]] = (),
        capture: str | None = None,
    ) -> str:
        """A request is over; returns its id. With `capture` its bodies are not kept, for that reason."""
        bodies: Mapping[Hop, Body | Hop] = {
            Hop.CLIENT_REQUEST: body(request, capture),
            Hop.UPSTREAM_REQUEST: Hop.CLIENT_REQUEST,
            Hop.UPSTREAM_RESPONSE: body(response, capture),
            Hop.CLIENT_RESPONSE: Hop.UPSTREAM_RESPONSE,
        }
        headers = {
            Hop.CLIENT_REQUEST: (*TRANSPORT, ("content-type", "application/json")),
            Hop.UPSTREAM_REQUEST: (("host", "api.anthropic.com"), *TRANSPORT[1:], ("content-type", "application/json")),
            Hop.UPSTREAM_RESPONSE: response_headers,
            Hop.CLIENT_RESPONSE: (*response_headers, ("x-proxy-request-id", exchange.request_id)),
        }
        whole = replace(
            exchange,
            request_bytes=len(request),
            response_bytes=len(response),
            request_capture=capture,
            response_capture=capture,
        )
        self.tell(Finished(whole, headers, bodies, chunks))
        return exchange.request_id

    def settle(self, *request_ids: str) -> None:
        """Wait until these requests are stored and finished."""
        with closing(writer(self.folder.ledger)) as conn:
            for request_id in request_ids:
                wait(partial(_stored, conn, request_id), f"{request_id} to be stored")

    def priced(self, *exchanges: Exchange) -> None:
        """Store the costs of these requests."""
        prices = PriceTable()
        with closing(writer(self.folder.ledger)) as conn, transaction(conn):
            for exchange in exchanges:
                cost = cost_of(exchange, prices)
                if cost is not None:
                    costs.save(conn, exchange.request_id, cost)


@contextlib.contextmanager
def telling(path: Path) -> Iterator[Told]:
    """A new data folder, told about for as long as the block runs."""
    told = Told(path)
    with hold(told.folder, PROCESS):
        try:
            yield told
        finally:
            told.close()


def _stored(conn: Any, request_id: str) -> bool:
    row = conn.execute("SELECT outcome FROM exchanges WHERE request_id = ?", (request_id,)).fetchone()
    return row is not None and row[0] is not None


def body(data: bytes, capture: str | None = None) -> Body:
    """A body wholly stored, or not at all for the reason `capture`."""
    return Body((data,) if capture is None else (), len(data), hashlib.sha256(data).hexdigest(), capture)


def accepted(request_id: str, started_ns: int = NOW_NS, **changes: Any) -> Exchange:
    """A message request that has just been accepted."""
    exchange = Exchange(
        request_id=request_id,
        process=PROCESS,
        started_ns=started_ns,
        method="POST",
        path="/v1/messages",
        query="beta=true",
        endpoint="default",
        upstream="anthropic",
        provider="anthropic",
        dialect="anthropic",
        operation="messages",
        model="claude-sonnet-4-5",
        stream=True,
    )
    return replace(exchange, **changes)


def answered(request_id: str, started_ns: int = NOW_NS, **changes: Any) -> Exchange:
    """A streamed message request with everything known."""
    exchange = replace(
        accepted(request_id, started_ns),
        outcome=Outcome.OK,
        status=200,
        response_model="claude-sonnet-4-5-20250929",
        key="caller-4f1d2c3b",
        session_id="6f0b1c1e-2b3c-4d5e-8f90-a1b2c3d4e5f6",
        account="acme/1",
        client="claude-cli/2.1.329",
        finish_reason="tool_use",
        upstream_request_id=f"req_{request_id[-12:]}",
        message_id=f"msg_{request_id[-12:]}",
        billing="pay_as_you_go",
        usage=Usage(
            input_tokens=25,
            output_tokens=65,
            cache_read_tokens=16_000,
            cache_creation_tokens=1_000,
            cache_creation_5m_tokens=700,
            cache_creation_1h_tokens=300,
            reasoning_tokens=41,
            service_tier="standard",
            usage_raw='{"input_tokens":25,"output_tokens":65}',
        ),
        usage_source=UsageSource.FINAL,
        parameters='{"max_tokens":64}',
        message_count=3,
        tool_count=2,
        received_ms=1.2,
        sent_ms=24.6,
        connect_ms=22.1,
        headers_ms=690.0,
        first_byte_ms=691.0,
        first_sent_ms=691.1,
        first_token_ms=905.5,
        last_byte_ms=2890.0,
        duration_ms=2891.2,
        attempts=(
            Attempt(
                1, "anthropic", "api.anthropic.com", 443, "00f067aa0ba902b7", started_ms=1.4, connect_ms=22.1,
                sent_ms=24.6, headers_ms=690.0, ended_ms=2890.4, status=200,
            ),
        ),
        windows=(
            WindowReading("acme/1", "5h", 37.0, 1_795_276_291, "allowed"),
            WindowReading("acme/1", "7d", 42.5, 1_795_611_091, "allowed"),
        ),
        limits=(LimitReading("acme/1", "input_tokens", 2_000_000, 1_999_000, 1_795_265_500),),
    )  # fmt: skip
    return replace(exchange, **changes)


def failed(request_id: str, started_ns: int = NOW_NS, **changes: Any) -> Exchange:
    """A request that the upstream refused with 429."""
    exchange = replace(
        answered(request_id, started_ns),
        outcome=Outcome.UPSTREAM_ERROR,
        status=429,
        response_model=None,
        finish_reason=None,
        message_id=None,
        error_type="rate_limit_error",
        error_message="This request would exceed the rate limit for your organization of 50 requests per minute.",
        usage=Usage(),
        usage_source=UsageSource.NONE,
        first_token_ms=None,
    )
    return replace(exchange, **changes)


def json_bytes(value: object) -> bytes:
    """JSON as a client writes it."""
    return json.dumps(value, ensure_ascii=False).encode()
