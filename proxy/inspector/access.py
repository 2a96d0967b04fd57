"""The inspector's own door, inside the gate: signed in or not, same origin for acts, headers on every answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.inspector.guesses import Guesses
from proxy.inspector.tokens import Sessions, same

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # no-referrer would make the Origin of our own forms "null"
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Set on every answer unless the answer has its own value."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Access:
    """Decides whether a request may see the ledger: by the API token or by the cookie of a browser session."""

    def __init__(self, *, token: str, sessions: Sessions, cookie: str, count_failure: Callable[[], None]) -> None:
        self.cookie = cookie
        self.sessions = sessions
        self.guesses = Guesses()
        self._token = token
        self._count_failure = count_failure

    def token_is(self, given: str, address: str) -> bool:
        """Whether this is the API token; a wrong one is counted."""
        if same(given, self._token):
            return True
        self.failed(address)
        return False

    def failed(self, address: str) -> None:
        """Count a refused sign-in."""
        self.guesses.failed(address)
        self._count_failure()

    def too_many(self, address: str) -> Response | None:
        """The answer to one more wrong secret from there; None while there are few."""
        wait = self.guesses.wait(address)
        if wait is None:
            return None
        sentence = f"Too many wrong tokens came from this address; try again in {wait} s."
        return problem(429, "rate_limit_error", sentence, {"retry-after": str(wait)})

    def bearer(self, headers: Headers, address: str) -> bool | None:
        """Whether the request carries the API token; None when it carries no bearer token at all."""
        credential = _bearer(headers)
        return None if credential is None else self.token_is(credential, address)

    def session(self, headers: Headers) -> str | None:
        """The cookie's value where it belongs to a browser that is signed in."""
        value = cookie_parser(headers.get("cookie", "")).get(self.cookie)
        return value if value is not None and self.sessions.known(value) else None


class Door:
    """ASGI layer around the routes: refuses whoever is not signed in and every act that comes from another site.

    `is_open` names the paths that need no sign-in.
    """

    def __init__(self, app: ASGIApp, access: Access, is_open: Callable[[str], bool]) -> None:
        self._app = app
        self._access = access
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        path: str = scope["path"]
        bearer = None if self._is_open(path) else self._access.bearer(headers, address(scope))
        if scope["method"] not in _SAFE_METHODS and not bearer and not from_same_origin(headers):
            return problem(403, "forbidden", "This act must come from a page of the inspector itself.")
        if bearer or self._is_open(path) or self._access.session(headers) is not None:
            return None
        too_many = self._access.too_many(address(scope)) if bearer is False else None
        if too_many is not None:
            return too_many
        if is_for_programs(path) or bearer is False or scope["method"] not in _SAFE_METHODS:
            sentence = "Send the API token as 'Authorization: Bearer <token>' or sign in with a browser."
            return problem(401, "unauthorized", sentence, {"www-authenticate": "Bearer"})
        query = scope["query_string"].decode("latin-1")
        there = path if not query else f"{path}?{query}"
        return RedirectResponse("/sign-in" if there == "/" else f"/sign-in?next={quote(there, safe='')}", 303)


def address(scope: Scope) -> str:
    """Where a request comes from."""
    return str((scope.get("client") or ("",))[0])


def _bearer(headers: Headers) -> str | None:
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else None


def problem(status: int, kind: str, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """An error for programs: `{"error": {"type", "message"}}` with one sentence."""
    body = json.dumps({"error": {"type": kind, "message": sentence}})
    return Response(body, status, headers, media_type="application/json")


def is_for_programs(path: str) -> bool:
    """Whether a path answers programs, which get JSON, rather than people, who get pages."""
    return path.startswith("/api/") or path in ("/openapi.json", "/metrics")


def from_same_origin(headers: Headers) -> bool:
    """Whether a browser says that the request comes from a page of this very origin; silence is a no."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return site == "same-origin"
    return origin.partition("://")[2].lower() == headers.get("host", "").lower() != ""


def local_path(text: str) -> str:
    """A path of the inspector to go on to after signing in; "/" for anything that could lead elsewhere."""
    plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if plain and text.startswith("/") and not text.startswith(("//", "/sign-in")) else "/"
