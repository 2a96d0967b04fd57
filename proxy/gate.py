"""First ASGI layer of both ports: framing, Host, Origin, limits. Knows nothing of prompts or pages.

The checks are pure functions over the ASGI scope; what they refuse and why is row group A of the fault table
(RFC 9112 for framing, RFC 9110 for the rest).
"""

from __future__ import annotations

import logging
import re
import string
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from proxy.settings.shape import Relay

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = Sequence[tuple[bytes, bytes]]

PROBES = frozenset({b"/healthz", b"/readyz"})
"""Asked by orchestrators under whatever name they know the machine: exempt from the Host check."""

_METHOD = re.compile(r"[A-Z]{1,20}")
_REFUSED_METHODS = frozenset({"TRACE", "CONNECT"})
_LENGTH = re.compile(rb"\d{1,12}")
_HOST = re.compile(rb"[A-Za-z0-9.\-\[\]:]+")
_TARGET = re.compile(rb"/(?![/\\])[\x21-\x22\x24-\x5b\x5d-\x7e]*")
_QUERY = re.compile(rb"[\x21-\x22\x24-\x7e]*")
_DOT_SEGMENT = re.compile(rb"(?:^|/|\\)\.{1,2}(?:/|\\|$)")
_ENCODED = re.compile(rb"%(2e|2f|5c)", re.IGNORECASE)
_PORT = re.compile(r":\d*$")
_IN_NAMES = b"!#$%&'*+-.^_`|~" + string.digits.encode() + string.ascii_letters.encode()
_NAME, _VALUE = itemgetter(0), itemgetter(1)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_RARE = frozenset({b"upgrade", b"http2-settings", b"expect", b"origin", b"sec-fetch-site"})
"""Fields of browsers, and of who wants more than plain HTTP/1.1: most requests have none of them."""
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_USUAL = Relay()
"""What a port without such settings of its own admits, too."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one port admits; sizes in bytes."""

    allowed_hosts: frozenset[str]
    """Lower-case host names without port; `*` admits any."""
    max_body: int
    max_header_bytes: int = _USUAL.max_header_bytes
    max_headers: int = _USUAL.max_headers
    max_uri_bytes: int = _USUAL.max_uri_bytes
    links: bool = False
    """Whether a link on another site may lead here: it shows a page and changes nothing."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request is refused; `error_type` is from the closed set of error types."""

    status: int
    error_type: str
    message: str


Refuse = Callable[[Scope, Receive, Send, Rejection], Awaitable[None]]


class Gate:
    """ASGI layer that hands good requests to `app` and bad ones, with the reason, to `refuse`."""

    def __init__(self, app: App, *, rules: Rules, refuse: Refuse) -> None:
        self._app = app
        self._rules = rules
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            rejection = check(scope, self._rules)
        except Exception:
            log.exception("the gate failed at a request")
            rejection = Rejection(500, "internal", "an error inside the proxy; its log has the details.")
        if rejection is None:
            await self._app(scope, receive, send)
        else:
            await self._refuse(scope, receive, send, rejection)


def allowed_hosts(listen_host: str, configured: Sequence[str]) -> frozenset[str]:
    """The names a port answers to: the configured ones, the address it listens on and loopback's."""
    own = f"[{listen_host}]" if ":" in listen_host else listen_host
    return frozenset(host.lower() for host in (*_LOOPBACK, own, *configured))


def check(scope: Scope, rules: Rules) -> Rejection | None:
    """The first rule that the request breaks, or None."""
    headers: RawHeaders = scope["headers"]
    names = list(map(_NAME, headers))
    return (
        _target(scope["raw_path"], scope["query_string"], rules)
        or _method(scope["method"])
        or _sizes(headers, rules)
        or _characters(names, headers)
        or _framing(names, headers, scope["http_version"], rules)
        or _host(names, headers, rules, probe=scope["raw_path"] in PROBES and scope["method"] in ("GET", "HEAD"))
        or (None if _RARE.isdisjoint(names) else _upgrade(headers) or _origin(scope["method"], headers, rules))
    )


def _bad(message: str, status: int = 400, error_type: str = "invalid_request_error") -> Rejection:
    return Rejection(status, error_type, message)


def _target(path: bytes, query: bytes, rules: Rules) -> Rejection | None:
    if len(path) + len(query) > rules.max_uri_bytes:
        return _bad(f"the request target is longer than {rules.max_uri_bytes} bytes; shorten it.", 414)
    if not _TARGET.fullmatch(path):
        return _bad("the request target is not an absolute path; begin it with exactly one '/'.")
    if not _QUERY.fullmatch(query):
        return _bad("the query of the request target contains a forbidden character; percent-encode it.")
    if b"%00" in path:
        return _bad("the request target contains an encoded NUL; remove it.")
    plain = _ENCODED.sub(lambda found: bytes.fromhex(found[1].decode()), path) if b"%" in path else path
    if b"." in plain and _DOT_SEGMENT.search(plain):
        return _bad("the request target contains a dot segment; send the resolved path.")
    return None


def _method(method: str) -> Rejection | None:
    if method in _REFUSED_METHODS or not _METHOD.fullmatch(method):
        return _bad(f"the method {method[:20]!r} is not relayed; use an ordinary HTTP method.", 405)
    return None


def _sizes(headers: RawHeaders, rules: Rules) -> Rejection | None:
    if len(headers) > rules.max_headers:
        return _bad(f"the request has more than {rules.max_headers} headers; send fewer.", 431)
    if sum(map(len, chain.from_iterable(headers))) > rules.max_header_bytes:
        return _bad(f"the request headers exceed {rules.max_header_bytes} bytes; send less.", 431)
    return None


def _characters(names: Sequence[bytes], headers: RawHeaders) -> Rejection | None:
    values = b"\t".join(map(_VALUE, headers))
    if not all(names) or b"".join(names).translate(None, _IN_NAMES) or _CONTROL.search(values):
        return _bad("a request header contains a forbidden character; remove it.")
    if not values.isascii() and not _utf8(values):
        return _bad("a request header is neither ASCII nor UTF-8; encode it.")
    return None


def _utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _framing(names: Sequence[bytes], headers: RawHeaders, http_version: str, rules: Rules) -> Rejection | None:
    lengths, codings = names.count(b"content-length"), names.count(b"transfer-encoding")
    if codings:
        if lengths:
            return _bad("Content-Length and Transfer-Encoding exclude each other; send one.")
        if codings > 1 or http_version == "1.0":
            return _bad("Transfer-Encoding must be sent once, and not on HTTP/1.0.")
        if headers[names.index(b"transfer-encoding")][1].strip().lower() != b"chunked":
            return _bad("the only transfer coding understood is 'chunked'; use Content-Encoding instead.", 501)
    if lengths:
        length = headers[names.index(b"content-length")][1]
        if lengths > 1 or not _LENGTH.fullmatch(length):
            return _bad("Content-Length is not one plain number; send it once, in digits.")
        if int(length) > rules.max_body:
            message = f"the request body is larger than {rules.max_body} bytes; send less."
            return _bad(message, 413, "body_too_large")
    return None


def _host(names: Sequence[bytes], headers: RawHeaders, rules: Rules, *, probe: bool) -> Rejection | None:
    host = headers[names.index(b"host")][1] if names.count(b"host") == 1 else b""
    if not _HOST.fullmatch(host):
        return _bad("the Host header must be present once and name a host.")
    if probe or _named(host.decode(), rules):
        return None
    return _bad("this Host is not served here; add it to allowed_hosts if it is meant to be.", 403, "forbidden")


def _named(authority: str, rules: Rules) -> bool:
    host = _PORT.sub("", authority).lower()
    return host in rules.allowed_hosts or "*" in rules.allowed_hosts


def _upgrade(headers: RawHeaders) -> Rejection | None:
    for name, value in headers:
        if name in (b"upgrade", b"http2-settings"):
            return _bad("protocol upgrades are not relayed; use plain HTTP/1.1.", 426)
        if name == b"expect" and value.lower() != b"100-continue":
            return _bad("the only expectation understood is '100-continue'.", 417)
    return None


def _origin(method: str, headers: RawHeaders, rules: Rules) -> Rejection | None:
    """A page of another site must not drive this port: neither spend money nor read captures."""
    sites = dict(headers)
    followed_link = rules.links and method == "GET" and sites.get(b"sec-fetch-mode") == b"navigate"
    foreign = sites.get(b"sec-fetch-site") == b"cross-site" and not followed_link
    for name, value in headers:
        if name == b"origin" and not _named(value.decode(errors="replace").partition("://")[2], rules):
            foreign = True
    return _bad("requests from pages of other sites are refused.", 403, "forbidden") if foreign else None
