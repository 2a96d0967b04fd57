"""The description of the JSON API (OpenAPI 3.1), made from the same tables that the API uses."""

from __future__ import annotations

from proxy.exchange import Hop
from proxy.inspector.documents import EVENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, TIMINGS
from proxy.inspector.filters import DESCRIPTIONS, MAX_ROWS, OPERATIONS, OUTCOMES, PAGE_ROWS
from proxy.inspector.stream import MAX_EVENTS, PAGE_EVENTS


def description() -> dict[str, object]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "anthropic-proxy inspector",
            "version": "1",
            "description": "What passed through the proxy. A field that is null is not known.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": {
            "/api/v1/exchanges": {"get": _list("application/json", {"$ref": "#/components/schemas/ExchangeList"})},
            "/api/v1/exchanges.jsonl": {"get": _list("application/x-ndjson", {"type": "string"}, paged=False)},
            "/api/v1/exchanges.csv": {"get": _list("text/csv", {"type": "string"}, paged=False)},
            "/api/v1/exchanges/{request_id}": {
                "get": _one("Everything but bodies.", "application/json", {"$ref": "#/components/schemas/Exchange"})
            },
            "/api/v1/exchanges/{request_id}/message": {
                "get": _one("The answer as one message, rebuilt from the stream.", "application/json", _OBJECT)
            },
            "/api/v1/exchanges/{request_id}/events": {"get": _events()},
            "/api/v1/exchanges/{request_id}/bodies/{hop}": {
                "get": _one("The exact bytes of one stage.", "application/octet-stream", {}, _hop())
            },
        },
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "the cookie of a browser that is signed in"},
            },
            "schemas": {"Exchange": _exchange(), "ExchangeList": _exchange_list(), "Problem": _problem()},
        },
    }


_OBJECT: dict[str, object] = {"type": "object"}


def _list(media_type: str, schema: dict[str, object], *, paged: bool = True) -> dict[str, object]:
    parameters = [_query(name, text, _schema(name)) for name, text in DESCRIPTIONS.items()]
    parameters.append(_query("before", "Cursor: `next` of the answer before.", {"type": "string"}))
    if paged:
        parameters.append(_query("after", "Id: the requests accepted next after it.", {"type": "string"}))
        size: dict[str, object] = {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": PAGE_ROWS}
        parameters.append(_query("limit", "How many at once.", size))
    return {
        "summary": "Requests, newest first.",
        "parameters": parameters,
        "responses": {"200": _answer("The requests.", media_type, schema), **_refusals("400", "401")},
    }


def _one(
    summary: str,
    media_type: str,
    schema: dict[str, object],
    *parameters: dict[str, object],
    refused: tuple[str, ...] = (),
) -> dict[str, object]:
    identified = {"name": "request_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "summary": summary,
        "parameters": [identified, *parameters],
        "responses": {"200": _answer(summary, media_type, schema), **_refusals(*refused, "401", "404")},
    }


def _events() -> dict[str, object]:
    kinds = {"index": "integer", "ms": ["number", "null"], "name": "string", "bytes": "integer", "data": "string"}
    fields = {name: {"type": kinds[name], "description": text} for name, text in EVENT_FIELDS.items()}
    size: dict[str, object] = {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS, "default": PAGE_EVENTS}
    return _one(
        "The events of a streamed answer, each with when it came.",
        "application/json",
        _page({"type": "object", "properties": fields}),
        _query("after", "Index: the events behind it; `next` of the answer before.", {"type": "integer"}),
        _query("limit", "How many at once.", size),
        _query("data", "Whether with the data of each event.", {"type": "boolean", "default": False}),
        refused=("400",),
    )


def _hop() -> dict[str, object]:
    return {
        "name": "hop",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": [hop.value for hop in Hop]},
    }


def _query(name: str, text: str, schema: dict[str, object]) -> dict[str, object]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


def _schema(name: str) -> dict[str, object]:
    closed = {"outcome": OUTCOMES, "operation": OPERATIONS}.get(name)
    return {"type": "string"} if closed is None else {"type": "string", "enum": list(closed)}


def _answer(text: str, media_type: str, schema: dict[str, object]) -> dict[str, object]:
    return {"description": text, "content": {media_type: {"schema": schema}}}


def _refusals(*statuses: str) -> dict[str, object]:
    texts = {"400": "A parameter makes no sense.", "401": "Not signed in.", "404": "Not in the ledger."}
    problem: dict[str, object] = {"$ref": "#/components/schemas/Problem"}
    return {status: _answer(texts[status], "application/json", problem) for status in statuses}


def _exchange() -> dict[str, object]:
    properties: dict[str, object] = {name: {} for name in PLAIN_FIELDS if name not in JSON_FIELDS}
    properties |= {name: {"type": ["object", "string", "null"]} for name in sorted(JSON_FIELDS)}
    properties |= {
        "request_id": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "cost_usd": {"type": ["number", "null"]},
        "cost_partial": {"type": ["boolean", "null"]},
        "price_version": {"type": ["string", "null"]},
        "timings": {"type": "object", "properties": {name: {"type": ["number", "null"]} for name in TIMINGS}},
        **{name: {"type": "array", "items": _OBJECT} for name in ("cost_items", "attempts", "windows", "limits")},
    }
    return {"type": "object", "required": ["request_id", "time"], "properties": properties}


def _exchange_list() -> dict[str, object]:
    return _page({"$ref": "#/components/schemas/Exchange"})


def _page(item: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "required": ["items", "next"],
        "properties": {"items": {"type": "array", "items": item}, "next": {"type": ["string", "null"]}},
    }


def _problem() -> dict[str, object]:
    error = {"type": "object", "properties": {"type": {"type": "string"}, "message": {"type": "string"}}}
    return {"type": "object", "required": ["error"], "properties": {"error": error}}
