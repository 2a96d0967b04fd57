"""The JSON API, read off its OpenAPI description and the record that it shows."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields as fields_of
from itertools import pairwise

import msgspec

from docs.regions import code, table
from proxy.exchange import Attempt, Exchange, LimitReading, Usage, WindowReading
from proxy.inspector.documents import PLAIN_FIELDS, TIMINGS
from proxy.inspector.filters import DESCRIPTIONS, OUTCOMES
from proxy.inspector.openapi import description
from proxy.ledger.costs import Cost, LineItem
from proxy.names.fields import FIELDS

_LISTS = {"cost_items": LineItem, "attempts": Attempt, "windows": WindowReading, "limits": LimitReading}

_TOLD = {
    "time": "When the request was accepted, UTC.",
    "outcome": "How it ended; null while it is open.",
    "status": "HTTP status sent to the client; null when none was sent.",
    "dialect": "Shape of the API: anthropic or openai.",
    "message_id": "The provider's id of the message.",
    "upstream_organization_id": "The provider's id of the organisation that is billed.",
    "upstream_workspace_id": "The provider's id of the workspace.",
    "message_count": "Messages in the request.",
    "tool_count": "Tools offered in the request.",
    "image_count": "Images in the request.",
    "request_sha256": "Hash of the request body on the wire.",
    "response_sha256": "Hash of the upstream's response body on the wire.",
    "response_capture": "Why the response body is not, or not wholly, stored; null when it is.",
    "parse_error": "What could not be read in request or answer.",
    "trace_id": "The caller's trace, or one of its own.",
    "span_id": "Id of the span.",
    "parent_span_id": "The caller's span.",
    "web_search_requests": "Web searches that the provider made.",
    "web_fetch_requests": "Web pages that the provider fetched.",
    "service_tier": "Service tier that the answer names.",
    "speed": "Speed that the answer names; `fast` has prices of its own.",
    "inference_geo": "Where the model ran; `us` has a surcharge.",
    "price_version": "Package and table that the cost was computed with.",
    "connect_ms": "Time spent opening a connection; null when one was reused.",
    "first_token_ms": "When the first content token arrived.",
    "last_byte_ms": "When the last upstream body byte arrived.",
    "fee_item": "What is paid for, such as `prompt` or `input_cache_read`.",
    "amount_usd": "Quantity times rate.",
    "number": "1 for the first try.",
    "server_address": "Host that was asked.",
    "server_port": "Port that was asked.",
    "started_ms": "When the attempt began.",
    "ended_ms": "When it had its answer or had failed.",
    "limit": "The limit itself.",
    "remaining": "What was left of it.",
}
"""What neither the log fields nor the record's docstrings say."""

_IN_LISTS = {
    "attempts": {"status": "The upstream's HTTP status; null when there was no answer."},
    "windows": {"status": "As on the wire: `allowed`, `allowed_warning`, `rejected`."},
}


class _Operation(msgspec.Struct):
    summary: str
    responses: dict[str, msgspec.Raw]


def paths() -> str:
    """Every path, what it gives and with which status."""
    described = msgspec.convert(description()["paths"], dict[str, dict[str, object]])
    rows = []
    for path, methods in described.items():
        for method, operation in methods.items():
            found = msgspec.json.decode(msgspec.json.encode(operation), type=_Operation)
            rows.append((code(f"{method.upper()} {path}"), found.summary, ", ".join(found.responses)))
    return table(("Path", "Gives", "Statuses"), rows)


def filters() -> str:
    """The query parameters of list, exports and page."""
    rows = [(code(name), text) for name, text in DESCRIPTIONS.items()]
    outcomes = ", ".join(map(code, OUTCOMES))
    return f"{table(('Parameter', 'Meaning'), rows)}\n\nOutcomes: {outcomes}."


def fields() -> str:
    """Every field of a request that is one value."""
    names = ("request_id", "time", *(name for name in PLAIN_FIELDS if name != "request_id"))
    return _meanings("Field", (*names, "cost_usd", "cost_partial", "price_version"), _record())


def timings() -> str:
    """Every member of `timings`."""
    return _meanings("Member", TIMINGS, _record())


def lists() -> str:
    """The members of the objects in each list."""
    parts = []
    for name, record in _LISTS.items():
        members = tuple(field.name for field in fields_of(record))
        known = {**_record(), **_docstrings(record), **_IN_LISTS.get(name, {})}
        parts.append(f"### `{name}`\n\n{_meanings('Member', members, known)}")
    return "\n\n".join(parts)


def _meanings(head: str, names: tuple[str, ...], known: dict[str, str]) -> str:
    return table((head, "Meaning"), ((code(name), _sentence(known[name])) for name in names))


def _record() -> dict[str, str]:
    """What is said of the fields of an exchange: best by its log fields."""
    properties = {name: inspect.getdoc(value) for name, value in vars(Exchange).items() if isinstance(value, property)}
    return {
        **_docstrings(Usage),
        **_docstrings(Exchange),
        **{name: text or "" for name, text in properties.items()},
        **{field.name: field.description for field in FIELDS},
        "cost_partial": _docstrings(Cost)["partial"],
        **_TOLD,
    }


def _docstrings(record: type) -> dict[str, str]:
    """The string under each field of a class, which only its source has."""
    tree = ast.parse(inspect.getsource(record))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = str(ast.literal_eval(text.value))
    return found


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a value, and a full stop; our `None` is JSON's null."""
    text = text.replace("None", "null").rstrip(".")
    first = text if "_" in text.split()[0] else text[0].upper() + text[1:]
    return first if first.endswith("…") else f"{first}."
