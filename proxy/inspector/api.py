"""The JSON API: the list with the page's filters, one request, its exact bytes, and its answer as one message."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import PurePosixPath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from proxy.exchange import Hop
from proxy.inspector.answers import rebuilt
from proxy.inspector.captured import captured
from proxy.inspector.documents import document, encoded, event_document
from proxy.inspector.filters import BadParameter, View, unknown, view
from proxy.inspector.ledger import Ledger
from proxy.inspector.openapi import description
from proxy.inspector.stream import MAX_EVENTS, PAGE_EVENTS, events
from proxy.inspector.tables import csv_head, csv_rows
from proxy.ledger import bodies
from proxy.ledger.queries import Listed, chunks, detail, headers, newer, page

EXPORT_PAGE = 500
_INDEX = re.compile(r"-1|[0-9]{1,9}")
BODY_HEADERS = {
    "content-type": "application/octet-stream",
    "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
}


class Api:
    """The endpoints under /api/v1."""

    def __init__(self, ledger: Ledger, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._ledger = ledger
        self._clock_ns = clock_ns

    def exchanges(self, request: Request) -> Response:
        """`GET /api/v1/exchanges`: `{"items": […], "next": cursor|null}`, newest first; CSV where that is accepted."""
        if _wants_csv(request.headers.get("accept", "")):
            return self.csv(request)
        asked = self._view(request)
        with self._ledger.read() as conn:
            if asked.after is None:
                listed = page(conn, asked.where, asked.before, asked.limit + 1)
            else:
                listed = newer(conn, asked.where, asked.after, asked.limit)
        items, more = listed[: asked.limit], len(listed) > asked.limit
        following = items[-1].exchange.request_id if more else None
        return _json({"items": [document(each) for each in items], "next": following})

    def csv(self, request: Request) -> Response:
        """`GET /api/v1/exchanges.csv`: everything the filters match, one line each."""
        asked = self._view(request)

        def lines() -> Iterator[bytes]:
            yield csv_head()
            for listed in self._everything(asked):
                yield csv_rows(listed)

        return _download(lines(), "text/csv; charset=utf-8", "exchanges.csv")

    def jsonl(self, request: Request) -> Response:
        """`GET /api/v1/exchanges.jsonl`: everything the filters match, one document a line."""
        asked = self._view(request)
        lines = (b"".join(encoded(document(each)) + b"\n" for each in listed) for listed in self._everything(asked))
        return _download(lines, "application/x-ndjson", "exchanges.jsonl")

    def exchange(self, request: Request) -> Response:
        """`GET /api/v1/exchanges/{request_id}`: everything but bodies."""
        return _json(document(self._one(request)))

    def body(self, request: Request) -> Response:
        """`GET /api/v1/exchanges/{request_id}/bodies/{hop}`: the stored bytes as they were on the wire."""
        hop = _hop(request.path_params["hop"])
        request_id = self._one(request).exchange.request_id
        with self._ledger.read() as conn:
            stored = bodies.get(conn, request_id, hop)
        if stored is None or not (stored.stored_size or stored.capture is None):
            reason = f" ({stored.capture})" if stored is not None and stored.capture else ""
            raise HTTPException(404, f"No body is stored of this request at {hop.value}{reason}.")
        name = f"{PurePosixPath(request_id).name}.{hop.value}.bin"
        answer = {**BODY_HEADERS, "content-disposition": f'attachment; filename="{name}"'}
        if stored.capture is not None:
            answer["x-proxy-capture"] = stored.capture
        return Response(stored.read(), headers=answer)

    def message(self, request: Request) -> Response:
        """`GET /api/v1/exchanges/{request_id}/message`: the answer as one message, rebuilt where it was a stream."""
        exchange = self._one(request).exchange
        with self._ledger.read() as conn:
            received = captured(conn, exchange, headers(conn, exchange.request_id), Hop.UPSTREAM_RESPONSE)
        message = rebuilt(exchange, received)
        if message is None:
            raise HTTPException(404, " ".join(received.notes) or "The stored answer holds no message.")
        return _json(message)

    def events(self, request: Request) -> Response:
        """`GET /api/v1/exchanges/{request_id}/events`: the events of a streamed answer, each with when it came."""
        after, limit, data = _range(request)
        exchange = self._one(request).exchange
        with self._ledger.read() as conn:
            received = captured(conn, exchange, headers(conn, exchange.request_id), Hop.UPSTREAM_RESPONSE)
            times = chunks(conn, exchange.request_id)
        if received.stored is None or not received.is_stream:
            raise HTTPException(404, " ".join(received.notes) or "The stored answer is no event stream.")
        every = enumerate(events(received.stored.read(), received.content_encoding, times))
        some = list(islice(every, after + 1, after + 2 + limit))
        items = [event_document(index, event, data=data) for index, event in some[:limit]]
        following = str(some[limit - 1][0]) if len(some) > limit else None
        return _json({"items": items, "next": following})

    def openapi(self, request: Request) -> Response:
        """`GET /openapi.json`."""
        return _json(description())

    def _view(self, request: Request) -> View:
        stranger = unknown(request.query_params)
        if stranger is not None:
            raise BadParameter(f"'{stranger[:80]}' is no parameter of this list.")
        return view(request.query_params, self._clock_ns())

    def _one(self, request: Request) -> Listed:
        with self._ledger.read() as conn:
            listed = detail(conn, request.path_params["request_id"])
        if listed is None:
            raise HTTPException(404, "There is no request with this id in the ledger.")
        return listed

    def _everything(self, asked: View) -> Iterator[list[Listed]]:
        """All that matches, a few hundred at a time, so that neither memory nor a read lasts long."""
        before = asked.before
        while True:
            with self._ledger.read() as conn:
                listed = page(conn, asked.where, before, EXPORT_PAGE)
            if listed:
                yield listed
            if len(listed) < EXPORT_PAGE:
                return
            before = listed[-1].exchange.request_id


def _range(request: Request) -> tuple[int, int, bool]:
    """Which events are asked for: behind which, how many, and whether with their data."""
    given = dict(request.query_params)
    after, limit, data = given.pop("after", "-1"), given.pop("limit", str(PAGE_EVENTS)), given.pop("data", "false")
    if given:
        raise BadParameter(f"'{next(iter(given))[:80]}' is no parameter of this list.")
    if not _INDEX.fullmatch(after):
        raise BadParameter("'after' is the index of an event.")
    if not _INDEX.fullmatch(limit) or not 1 <= int(limit) <= MAX_EVENTS:
        raise BadParameter(f"'limit' is a number from 1 to {MAX_EVENTS}.")
    if data not in ("true", "false"):
        raise BadParameter("'data' is true or false.")
    return int(after), int(limit), data == "true"


def _hop(given: str) -> Hop:
    try:
        return Hop(given)
    except ValueError:
        raise HTTPException(404, f"A body's hop is one of {', '.join(Hop)}.") from None


def _wants_csv(accept: str) -> bool:
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "text/csv"


def _json(value: object) -> Response:
    return Response(encoded(value), media_type="application/json")


def _download(lines: Iterator[bytes], media_type: str, name: str) -> Response:
    return StreamingResponse(
        lines, headers={"content-type": media_type, "content-disposition": f'attachment; filename="{name}"'}
    )
