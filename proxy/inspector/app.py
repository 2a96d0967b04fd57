"""The inspector as one Starlette application; the gate with its Host and Origin checks stands outside of it."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from proxy.inspector.access import SECURITY_HEADERS, Access, Door, is_for_programs, problem
from proxy.inspector.api import Api
from proxy.inspector.assets import Assets
from proxy.inspector.detail import Detail
from proxy.inspector.doorway import Doorway
from proxy.inspector.filters import BadParameter
from proxy.inspector.ledger import Ledger
from proxy.inspector.listing import Listing
from proxy.inspector.rendering import Renderer
from proxy.inspector.tokens import Sessions, SignInCode
from proxy.ledger.errors import QueryTimeout
from proxy.ledger.folder import Folder

log = logging.getLogger(__name__)

MAX_POST_BYTES = 16 * 1024
"""Nothing that is posted is larger than a form."""
_HEALTH = "health"

Exposition = Callable[[str, bool], tuple[bytes, str]]
"""From an Accept header, and whether only the health family is wanted, to a metrics text and its content type."""


def application(
    *,
    folder: Folder,
    base_urls: Mapping[str, str],
    token: str,
    token_file: Path,
    sign_in_code: str | None,
    metrics: Exposition | None = None,
    metrics_open: bool = False,
    degraded: Callable[[], list[str]] = list,
    count_auth_failure: Callable[[], None] = lambda: None,
    clock_ns: Callable[[], int] = time.time_ns,
) -> Starlette:
    """Pages, JSON API and /metrics over a prepared data folder.

    `base_urls` are what clients set as ANTHROPIC_BASE_URL, by endpoint. `token` is the API token and `token_file` the
    place that the sign-in page names. `sign_in_code` is accepted once at `/sign-in?code=…`. `metrics` makes the text
    of /metrics, which needs the token unless `metrics_open`; without it there is no such page. `degraded` names what
    /readyz reports. `count_auth_failure` is called for every wrong token, code or bearer.
    """
    ledger = Ledger(folder.ledger)
    assets = Assets()
    renderer = Renderer(assets)
    access = Access(
        token=token,
        sessions=Sessions(folder.path / "sessions.json"),
        cookie=f"anthropic-proxy-{hashlib.sha256(str(folder.path.resolve()).encode()).hexdigest()[:8]}",
        count_failure=count_auth_failure,
    )
    doorway = Doorway(access, SignInCode(sign_in_code), renderer, token_file)
    probes = Probes(metrics, degraded)
    is_open = _open_paths("/healthz", "/readyz", "/sign-in", *(("/metrics",) if metrics_open else ()))
    return Starlette(
        routes=[
            *_pages(Listing(ledger, renderer, base_urls, clock_ns), Detail(ledger, renderer)),
            *_api(Api(ledger, clock_ns)),
            Route("/sign-in", doorway.form),
            Route("/sign-in", doorway.sign_in, methods=["POST"]),
            Route("/sign-out", doorway.sign_out, methods=["POST"]),
            Route("/static/{name}", assets.serve),
            Route("/healthz", probes.healthz),
            Route("/readyz", probes.readyz),
            *([Route("/metrics", probes.metrics)] if metrics is not None else []),
        ],
        middleware=[Middleware(Door, access=access, is_open=is_open)],
        exception_handlers=Problems(renderer).table(),
        max_body_size=MAX_POST_BYTES,
    )


class Probes:
    """What monitoring asks."""

    def __init__(self, exposition: Exposition | None, degraded: Callable[[], list[str]]) -> None:
        self._exposition = exposition
        self._degraded = degraded

    async def healthz(self, request: Request) -> Response:
        """`GET /healthz`: the event loop turns."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz(self, request: Request) -> Response:
        """`GET /readyz`: always 200 while this process serves; `degraded` says what does not work."""
        reasons = self._degraded()
        shape = {"status": "degraded" if reasons else "ok", "degraded": reasons}
        return Response(json.dumps(shape), media_type="application/json")

    def metrics(self, request: Request) -> Response:
        """`GET /metrics`; `family=health` for what is shown here only."""
        assert self._exposition is not None
        family = request.query_params.get("family", "")
        if family not in ("", _HEALTH):
            raise BadParameter(f"family={family[:80]} is not known: leave it out, or ask for family={_HEALTH}.")
        body, content_type = self._exposition(request.headers.get("accept", ""), family == _HEALTH)
        return Response(body, headers={"content-type": content_type})


class Problems:
    """What went wrong, as a page for people and as JSON for programs; one sentence, never a traceback."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def table(self) -> dict[int | type[Exception], Callable[[Request, Exception], Response]]:
        """Which exception becomes which answer."""
        return {
            BadParameter: lambda request, exc: self._answer(request, 400, "Bad request", str(exc)),
            QueryTimeout: lambda request, exc: self._answer(request, 400, "Too much to read", f"{exc}."),
            sqlite3.Error: lambda request, exc: self._answer(
                request, 503, "The ledger cannot be read", f"The ledger cannot be read at the moment ({exc})."
            ),
            HTTPException: self._http,
            Exception: self._internal,
        }

    def _http(self, request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        heading = {404: "Not found", 405: "Method not allowed"}.get(exc.status_code, "Error")
        generic = {404: "There is nothing at this address.", 405: "This address does not take that method."}
        ours = exc.detail if exc.detail.endswith(".") else generic.get(exc.status_code, f"{exc.detail}.")
        return self._answer(request, exc.status_code, heading, ours)

    def _internal(self, request: Request, exc: Exception) -> Response:
        log.error("the inspector failed at a request", exc_info=exc)
        answer = self._answer(request, 500, "Error", "The inspector failed at this; its log says more.")
        answer.headers.update(SECURITY_HEADERS)
        return answer

    def _answer(self, request: Request, status: int, heading: str, sentence: str) -> Response:
        if is_for_programs(request.scope["path"]):
            return problem(status, heading.lower().replace(" ", "_"), sentence)
        return self._renderer.page("problem.html", {"heading": heading, "sentence": sentence}, status=status)


def _pages(listing: Listing, detail: Detail) -> list[Route]:
    return [
        Route("/", _home),
        Route("/requests", listing.page),
        Route("/requests/rows", listing.rows),
        Route("/requests/{request_id}", detail.page),
    ]


def _api(api: Api) -> list[Route]:
    return [
        Route("/api/v1/exchanges", api.exchanges),
        Route("/api/v1/exchanges.csv", api.csv),
        Route("/api/v1/exchanges.jsonl", api.jsonl),
        Route("/api/v1/exchanges/{request_id}", api.exchange),
        Route("/api/v1/exchanges/{request_id}/bodies/{hop}", api.body),
        Route("/api/v1/exchanges/{request_id}/message", api.message),
        Route("/api/v1/exchanges/{request_id}/events", api.events),
        Route("/openapi.json", api.openapi),
    ]


async def _home(request: Request) -> Response:
    return RedirectResponse("/requests", 307)


def _open_paths(*paths: str) -> Callable[[str], bool]:
    known = frozenset(paths)
    return lambda path: path in known or path.startswith("/static/")
