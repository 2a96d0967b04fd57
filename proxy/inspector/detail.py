"""The page of one request: its figures, the conversation, the answer, the error, and the bytes stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from proxy.exchange import Exchange, Hop, Outcome
from proxy.inspector import summary
from proxy.inspector.answers import rebuilt
from proxy.inspector.blocks import Block, Budget, json_part
from proxy.inspector.captured import LABELS, Captured, captured, shown
from proxy.inspector.code import Part, listing
from proxy.inspector.conversation import answer, conversation, parsed
from proxy.inspector.documents import document, encoded
from proxy.inspector.ledger import Ledger
from proxy.inspector.rendering import Renderer
from proxy.inspector.rows import badge, row
from proxy.inspector.stream import raw_stream
from proxy.ledger.queries import Listed, chunks, detail, headers

MAX_ERROR = 20_000


@dataclass(frozen=True, slots=True)
class Banner:
    """What went wrong."""

    heading: str
    message: str | None
    part: Part | None
    """The error body."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One hop in the JSON view."""

    hop: str
    label: str
    headers: tuple[tuple[str, str], ...] = ()
    size: str = ""
    sha256: str | None = None
    note: str = ""
    part: Part | None = None
    cut: int = 0
    link: str | None = None


class Detail:
    """The endpoint of one request."""

    def __init__(self, ledger: Ledger, renderer: Renderer) -> None:
        self._ledger = ledger
        self._renderer = renderer

    def page(self, request: Request) -> Response:
        """`GET /requests/{request_id}`; `view=json&hop=…` shows one stage, `raw=1` the answer as it came."""
        request_id = request.path_params["request_id"]
        wanted, hop, raw = (request.query_params.get(name) for name in ("view", "hop", "raw"))
        with self._ledger.read() as conn:
            listed = detail(conn, request_id)
            if listed is None:
                raise HTTPException(404, "There is no request with this id in the ledger.")
            exchange = listed.exchange
            stored = headers(conn, request_id)
            sent = captured(conn, exchange, stored, Hop.CLIENT_REQUEST)
            received = captured(conn, exchange, stored, Hop.UPSTREAM_RESPONSE)
            if received.stored is None or not exchange.attempts:
                received = captured(conn, exchange, stored, Hop.CLIENT_RESPONSE)
            stage = captured(conn, exchange, stored, _hop(hop)) if wanted == "json" else None
            times = chunks(conn, request_id) if raw else []
        message = None if raw or not received.data else rebuilt(exchange, received)
        panels = {**_request_panel(exchange, sent), **_response_panel(exchange, received, message, raw=bool(raw))}
        if raw and received.is_stream and received.stored is not None:
            panels["raw"] = raw_stream(received.stored.read(), received.content_encoding, times)
        context = {
            **_figures(listed),
            **panels,
            "banner": _banner(exchange, received, message),
            "mode": "json" if stage is not None else "pretty",
            "stages": [Stage(each.value, LABELS[each]) for each in Hop],
            "hop": None if stage is None else _stage(exchange, stage),
        }
        return self._renderer.page("request.html", context, current="/requests")


def _hop(given: str | None) -> Hop:
    return Hop(given) if given in {hop.value for hop in Hop} else Hop.CLIENT_REQUEST


def _figures(listed: Listed) -> dict[str, object]:
    """Everything on the page that comes from the record alone."""
    exchange, cost = listed.exchange, listed.cost
    session = urlencode({"session_id": exchange.session_id, "operation": "all"}) if exchange.session_id else None
    metadata = encoded(document(listed), indent=True).decode("utf-8", "replace")
    return {
        "row": row(listed),
        "method": exchange.method,
        "path": exchange.path if exchange.query is None else f"{exchange.path}?{exchange.query}",
        "here": f"/requests/{exchange.request_id}",
        "session": None if session is None else f"/requests?{session}",
        "cards": summary.cards(exchange, cost),
        "tokens": summary.tokens(exchange),
        "lines": summary.line_rows(cost),
        "price_version": cost.price_version if cost else "",
        "timings": summary.timings(exchange),
        "attempts": summary.attempts(exchange),
        "limits": summary.limits(exchange),
        "facts": summary.facts(exchange),
        "metadata": listing(metadata, "json"),
    }


def _request_panel(exchange: Exchange, sent: Captured) -> dict[str, object]:
    body = parsed(sent.data) if sent.data else None
    readable = isinstance(body, dict) and ("messages" in body or "model" in body)
    part, cut = (None, 0) if readable else shown(sent)
    return {
        "conversation": conversation(body) if readable and isinstance(body, dict) else None,
        "request_note": " ".join(sent.notes),
        "request_part": part,
        "request_cut": cut,
        "request_link": _link(exchange, sent),
    }


def _response_panel(
    exchange: Exchange, received: Captured, message: Mapping[str, object] | None, *, raw: bool
) -> dict[str, object]:
    blocks: tuple[Block, ...] | None = None if message is None else answer(message)
    part, cut = shown(received) if blocks is None else (None, 0)
    return {
        "answer": blocks,
        "raw": None,
        "asked_raw": raw,
        "toggle": "Show raw SSE" if received.is_stream else "" if blocks is None else "Show JSON",
        "response_note": " ".join(received.notes),
        "response_part": part,
        "response_cut": cut,
        "response_link": _link(exchange, received),
    }


def _banner(exchange: Exchange, received: Captured, message: Mapping[str, object] | None) -> Banner | None:
    if exchange.outcome in (None, Outcome.OK):
        return None
    made = badge(exchange)
    status = "" if exchange.status is None else f"{exchange.status} "
    error = message.get("error") if message else None
    part: Part | None = None
    if error is not None:
        part, _ = json_part(error, Budget(MAX_ERROR))
    elif exchange.outcome in (Outcome.UPSTREAM_ERROR, Outcome.REJECTED) and received.data:
        part, _ = shown(received)
    return Banner(f"{status}{made.words}", exchange.error_message, part)


def _stage(exchange: Exchange, body: Captured) -> Stage:
    part, cut = shown(body)
    return Stage(
        hop=body.hop.value,
        label=LABELS[body.hop],
        headers=body.headers,
        size=body.size,
        sha256=body.stored.sha256 if body.stored else None,
        note=" ".join(body.notes),
        part=part,
        cut=cut,
        link=_link(exchange, body),
    )


def _link(exchange: Exchange, body: Captured) -> str | None:
    return None if body.link is None else f"/api/v1/exchanges/{exchange.request_id}/bodies/{body.link}"
