"""Who calls: the secrets of a request, a fingerprint in place of each, and the account an answer speaks of."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from functools import lru_cache
from urllib.parse import unquote_plus

from proxy.exchange import Headers

_OAUTH_PREFIX = "sk-ant-oat"
_SCHEME = re.compile(r"(?:bearer|basic|token|apikey|api-key)\s+", re.IGNORECASE)
_IDENTIFYING = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_GLUED = ("", "api", "access", "auth", "client", "csrf", "id", "refresh", "session", "xsrf")
_SENSITIVE = frozenset(
    before + word
    for before in _GLUED
    for word in (
        "key", "token", "secret", "password", "passwd", "auth", "authorization", "authentication", "jwt", "sig",
        "signature", "credential", "credentials", "assertion",
    )
)  # fmt: skip
"""Last words of names: gateways have credential headers of their own (`helicone-auth`, `cf-aig-authorization`, …)."""
_HARMLESS_KEYS = frozenset({"idempotency", "cache", "surrogate", "websocket"})
_CREDENTIALS = frozenset({"cookie", "cookie2", "set-cookie", "set-cookie2", "x-amzn-oidc-data", "x-honeycomb-team"})
_SENSITIVE_PARAMETERS = frozenset({"code", "pass", "pwd"})
_PARAMETER_PARTS = re.compile(r"[\[\]_.-]+")
_DIGESTS, _DIGESTED_CHARS = 256, 512
"""A caller sends the same secret with every request."""
_NAMES, _NAME_CHARS = 512, 64
"""Names of headers that are judged once."""
_CALLERS = 64
"""Callers whose credentials are found once."""
_QUERIES, _QUERY_CHARS = 64, 256
_MIN_COOKIE_CHARS = 16
"""Shorter values of cookies are settings, not sessions."""
PASSING = frozenset(
    {
        *("content-length", "idempotency-key", "x-proxy-metadata", "x-client-request-id", "x-request-id"),
        *("traceparent", "tracestate", "baggage", "x-datadog-parent-id", "x-datadog-trace-id", "x-amzn-trace-id"),
    }
)
"""Fields that are another with every request; none of them is a credential."""


def lasting(headers: Headers) -> Headers:
    """Return the fields that a caller mostly repeats with its next request: what they say need not be read again."""
    return tuple([field for field in headers if field[0] not in PASSING])


def is_credential(name: str) -> bool:
    """Whether a header's value is a credential, by the last word of its name; look-alikes such as `x_api_key` are."""
    return _is_credential(name) if len(name) <= _NAME_CHARS else _is_credential.__wrapped__(name)


@lru_cache(_NAMES)
def _is_credential(name: str) -> bool:
    plain = name.lower().replace("_", "-")
    return plain in _CREDENTIALS or _sensitive(plain)


def secret(headers: Headers) -> str | None:
    """Return the credential that identifies the caller, without its scheme; None for an anonymous one."""
    return _identifying(lasting(headers))


@lru_cache(_CALLERS)
def _identifying(headers: Headers) -> str | None:
    named = [(name.lower(), value) for name, value in headers if is_credential(name)]
    for wanted in _IDENTIFYING:
        for name, value in named:
            if name == wanted and bare(value):
                return bare(value)
    return None


def is_secret_parameter(name: str) -> bool:
    """Whether the value of a query parameter is a credential."""
    plain = _PARAMETER_PARTS.sub("-", name.lower()).strip("-")
    return plain.rpartition("-")[2] in _SENSITIVE_PARAMETERS or _sensitive(plain)


def secrets(headers: Headers, query: str | None = None) -> tuple[str, ...]:
    """Return every credential that a request carries, each once: header values without scheme, cookies, parameters."""
    named = _in_headers(lasting(headers))
    more = (_in_query(query) if len(query) <= _QUERY_CHARS else _in_query.__wrapped__(query)) if query else ()
    return tuple(dict.fromkeys((*named, *more))) if more else named


@lru_cache(_CALLERS)
def _in_headers(headers: Headers) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name, value in headers:
        if not is_credential(name):
            continue
        if name.lower() == "cookie":
            cookies = (part.partition("=")[2].strip() for part in value.split(";"))
            found.update((cookie, None) for cookie in cookies if len(cookie) >= _MIN_COOKIE_CHARS)
        else:
            found[bare(value)] = None
            found[_password(value)] = None
    found.pop("", None)
    return tuple(found)


@lru_cache(_QUERIES)
def _in_query(query: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for part in re.split("[&;]", query):
        parameter, _, value = part.partition("=")
        if is_secret_parameter(unquote_plus(parameter)):
            found[unquote_plus(value)] = None
    found.pop("", None)
    return tuple(found)


def bare(value: str) -> str:
    """Return the value of a credential header without its scheme."""
    return _SCHEME.sub("", value.strip(), count=1).strip()


def _password(value: str) -> str:
    """The password of a `Basic` credential; empty for any other: https://www.rfc-editor.org/rfc/rfc7617#section-2"""
    if value.strip()[:6].lower() != "basic ":
        return ""
    try:
        return b64decode(bare(value), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def digest(text: str, salt: bytes) -> str:
    """Return 8 hex digits that stand for a secret; without the salt nobody can test a guess."""
    return _digest(text, salt) if len(text) <= _DIGESTED_CHARS else _digest.__wrapped__(text, salt)


@lru_cache(_DIGESTS)
def _digest(text: str, salt: bytes) -> str:
    return hmac.digest(salt, text.encode("utf-8", "surrogateescape"), "sha256").hex()[:8]


def caller_key(headers: Headers, account_uuid: str | None, salt: bytes) -> str | None:
    """Return the fingerprint `caller-` and 8 hex digits; None for an anonymous caller.

    OAuth tokens are renewed: their callers are told apart by the account of the request's metadata where it is known.
    """
    token = secret(headers)
    if token is None:
        return None
    return f"caller-{digest(account_uuid if account_uuid and token.startswith(_OAUTH_PREFIX) else token, salt)}"


def account(
    *, credential: str | None, organization_id: str | None, account_uuid: str | None, key: str | None
) -> str | None:
    """Return whose rate-limit windows an answer describes.

    That is the operator's credential; else the organization that the answer names, with the request's account; else
    the organization; else the key.
    """
    if credential:
        return credential
    if organization_id:
        return f"{organization_id}/{account_uuid}" if account_uuid else organization_id
    return key


def _sensitive(name: str) -> bool:
    """Whether the last word of a name in lower case, a number behind it left out, says that its value is secret."""
    before, _, word = name.rpartition("-")
    if word.isdecimal():
        before, _, word = before.rpartition("-")
    return word in _SENSITIVE and not (word == "key" and before.rpartition("-")[2] in _HARMLESS_KEYS)
