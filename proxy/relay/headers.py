"""Which header fields travel on, on raw byte pairs: order and duplicates kept, hop-by-hop fields removed.

https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

RawHeaders = Sequence[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
_ABOUT_THE_CLIENT = frozenset(
    (
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"cf-ipcountry",
        b"cf-ray",
        b"cf-visitor",
    )
)
"""What proxies in front of this one note: no business of the upstream's, and free for anyone to invent."""
_NOT_FORWARDED = HOP_BY_HOP | _ABOUT_THE_CLIENT | {b"host", b"expect"}
_OUR_COOKIE = b"anthropic-proxy-"
_NOT_FORWARDED_PREFIXES = (b"x-proxy-", b"x-forwarded-")
_NOT_RETURNED = HOP_BY_HOP | {b"x-proxy-request-id", b"x-proxy-error"}


def forwarded(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The client's fields as they go upstream; control fields `x-proxy-*`, `Host` and its address stay here."""
    names = [name for name, _ in headers]
    if b"cookie" in names:
        headers = _without_our_cookie(headers)
    dropped = _dropped(_NOT_FORWARDED, names, headers)
    return [field for field in headers if field[0] not in dropped and not field[0].startswith(_NOT_FORWARDED_PREFIXES)]


def returned(headers: RawHeaders, request_id: bytes) -> list[tuple[bytes, bytes]]:
    """The upstream's fields as they go to the client, names in their own case, plus our request id."""
    lowered = [name.lower() for name, _ in headers]
    dropped = _dropped(_NOT_RETURNED, lowered, headers)
    kept = [field for name, field in zip(lowered, headers, strict=True) if name not in dropped]
    kept.append((b"x-proxy-request-id", request_id))
    return kept


def _without_our_cookie(headers: RawHeaders) -> RawHeaders:
    """Cookies know no ports: a browser that is signed in to the inspector shows its session here, too."""
    kept = []
    for name, value in headers:
        if name == b"cookie" and _OUR_COOKIE in value:
            pairs = [pair for pair in value.split(b";") if not pair.strip().startswith(_OUR_COOKIE)]
            value = b";".join(pairs).strip()
            if not value:
                continue
        kept.append((name, value))
    return kept


def first(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    """The first value of a field, whatever its case; `wanted` in lower case."""
    length = len(wanted)
    for name, value in headers:
        if len(name) == length and name.lower() == wanted:
            return value
    return None


def text(headers: RawHeaders) -> tuple[tuple[str, str], ...]:
    """Fields as text for the record; bytes that are not UTF-8 are kept as Latin-1 characters."""
    try:
        texts = b"\n".join(chain.from_iterable(headers)).decode().split("\n")
    except UnicodeDecodeError:
        texts = []
    if len(texts) != 2 * len(headers):
        return tuple([(_text(name), _text(value)) for name, value in headers])
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _dropped(always: frozenset[bytes], lowered: Sequence[bytes], headers: RawHeaders) -> frozenset[bytes]:
    """`always`, and the fields that `Connection` declares to be for this hop only."""
    if b"connection" not in lowered:
        return always
    listed = [value for name, (_, value) in zip(lowered, headers, strict=True) if name == b"connection"]
    return always | {name.strip().lower() for value in listed for name in value.split(b",")}
