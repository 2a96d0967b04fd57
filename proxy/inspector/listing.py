"""The page Requests: newest first, filtered by its address, live by asking again for its own rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy.inspector import formats
from proxy.inspector.filters import AGE, DESCRIPTIONS, OPERATIONS, OUTCOMES, STATUSES, BadParameter, View, view
from proxy.inspector.ledger import Ledger
from proxy.inspector.rendering import Renderer
from proxy.inspector.rows import row
from proxy.ledger.filters import Filter
from proxy.ledger.queries import Facets, Listed, Sums, facets, newer, page

MAX_COMMANDS = 5


@dataclass(frozen=True, slots=True)
class Choices:
    """What the selects of the filter form offer."""

    models: Sequence[str] = ()
    endpoints: Sequence[str] = ()
    statuses: Sequence[str] = STATUSES
    outcomes: Sequence[str] = OUTCOMES
    operations: Sequence[str] = OPERATIONS


@dataclass(frozen=True, slots=True)
class Found:
    """One page of requests, and whether there are more on either side."""

    listed: list[Listed]
    newer: bool
    older: bool
    empty: bool
    """The ledger holds no request at all."""


class Listing:
    """The list's endpoints."""

    def __init__(
        self,
        ledger: Ledger,
        renderer: Renderer,
        base_urls: Mapping[str, str],
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._ledger = ledger
        self._renderer = renderer
        self._commands = _commands(base_urls)
        self._clock_ns = clock_ns

    def page(self, request: Request) -> Response:
        """`GET /requests`."""
        try:
            asked = view(request.query_params, self._clock_ns())
        except BadParameter as exc:
            return self._page(view({}, 0), {}, status=400, problem=str(exc), live=False)
        found = self._found(asked)
        if asked.where.request_id is not None and len(found.listed) == 1:
            return RedirectResponse(f"/requests/{found.listed[0].exchange.request_id}", 303)
        if asked.after is not None and not found.newer:
            return RedirectResponse(asked.address("/requests"), 303)
        live = asked.before is None and asked.after is None
        return self._page(asked, self._results(asked, found), live=live)

    def rows(self, request: Request) -> Response:
        """`GET /requests/rows`: what stands under the filters, for a page that is kept up to date."""
        asked = view(request.query_params, self._clock_ns())
        body = self._renderer.text("_results.html", self._results(asked, self._found(asked)))
        tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return Response(body, media_type="text/html", headers={"etag": tag})

    def _page(self, asked: View, results: Mapping[str, object], *, status: int = 200, **more: object) -> Response:
        with self._ledger.read() as conn:
            known = facets(conn)
        blank: dict[str, object] = {"view": asked, "where": asked.where, "rows": (), "problem": None, "empty": False}
        context = {
            **blank,
            "given": {name: asked.given.get(name, "") for name in DESCRIPTIONS},
            "choices": _choices(known),
            "instants": _instants(asked),
            **results,
            **more,
        }
        return self._renderer.page("requests.html", context, status=status, current="/requests")

    def _found(self, asked: View) -> Found:
        with self._ledger.read() as conn:
            if asked.after is not None:
                listed = newer(conn, asked.where, asked.after, asked.limit + 1)
                return Found(listed[-asked.limit :], len(listed) > asked.limit, True, empty=False)
            listed = page(conn, asked.where, asked.before, asked.limit + 1)
            empty = not listed and not page(conn, Filter(operation="all"), None, 1)
        return Found(listed[: asked.limit], asked.before is not None, len(listed) > asked.limit, empty)

    def _results(self, asked: View, found: Found) -> dict[str, object]:
        ids = [listed.exchange.request_id for listed in found.listed]
        return {
            "view": asked,
            "where": asked.where,
            "rows": [row(listed) for listed in found.listed],
            "sums": _sums(self._ledger.sums(asked)) if found.listed else (),
            "empty": found.empty,
            "commands": self._commands,
            "newer": asked.address("/requests", after=ids[0]) if ids and found.newer else None,
            "older": asked.address("/requests", before=ids[-1]) if ids and found.older else None,
        }


def _commands(base_urls: Mapping[str, str]) -> list[tuple[str, str]]:
    """Heading and command for each endpoint."""
    several = len(base_urls) > 1
    return [
        (f"Endpoint {name}" if several else "Claude Code, and every program that uses an Anthropic SDK", command)
        for name, url in list(base_urls.items())[:MAX_COMMANDS]
        for command in (f"export ANTHROPIC_BASE_URL={url}",)
    ]


def _choices(known: Facets) -> Choices:
    statuses = (*STATUSES, *(status for status in known.statuses if status not in STATUSES))
    return Choices(models=known.models, endpoints=known.endpoints, statuses=statuses)


def _instants(asked: View) -> dict[str, str]:
    """From and to as values of `datetime-local` fields, in UTC; empty where an age such as 24h was given."""
    bounds = {"from": asked.where.since_ns, "to": asked.where.until_ns}
    return {
        name: ""
        if bound is None or AGE.fullmatch(asked.given[name])
        else f"{datetime.fromtimestamp(bound // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%S}"
        for name, bound in bounds.items()
    }


def _sums(sums: Sums | None) -> tuple[tuple[str, str, str], ...]:
    """Label, value and explanation of each sum."""
    if sums is None:
        return (("Sums", "too many requests to add up quickly: narrow the filter", ""),)
    return (
        ("Requests", formats.count(sums.requests), ""),
        ("Failed", formats.count(sums.errors), "Ended in any other way than ok"),
        ("Uncached input", formats.count(sums.input_tokens), "Input tokens neither read from nor written to the cache"),
        ("Output", formats.count(sums.output_tokens), "Output tokens"),
        ("Cache read", formats.count(sums.cache_read_tokens), "Input tokens read from the prompt cache"),
        ("Cache created", formats.count(sums.cache_creation_tokens), "Input tokens written to the prompt cache"),
        ("Cost", formats.usd(sums.cost_usd), f"List price of the {sums.priced:,} requests that have a price"),
    )
