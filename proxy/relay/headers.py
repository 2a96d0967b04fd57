"""Which header fields travel on, on raw byte pairs: order and duplicates kept, hop-by-hop fields removed.

https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
_NOT_FORWARDED_PREFIXES = (b"x-proxy-", b"x-forwarded-")
_OURS = frozenset((b"x-proxy-request-id", b"x-proxy-error"))


def forwarded(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The client's fields as they go upstream; control fields `x-proxy-*`, `Host` and its address stay here."""
    dropped = _NOT_FORWARDED | _listed(headers)
    return [field for field in headers if field[0] not in dropped and not field[0].startswith(_NOT_FORWARDED_PREFIXES)]


def returned(headers: RawHeaders, request_id: bytes) -> list[tuple[bytes, bytes]]:
    """The upstream's fields as they go to the client, names in their own case, plus our request id."""
    dropped = HOP_BY_HOP | _OURS | _listed((name.lower(), value) for name, value in headers)
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    kept.append((b"x-proxy-request-id", request_id))
    return kept


def first(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    """The first value of a field, whatever its case; `wanted` in lower case."""
    return next((value for name, value in headers if name.lower() == wanted), None)


def text(headers: RawHeaders) -> tuple[tuple[str, str], ...]:
    """Fields as text for the record; bytes that are not UTF-8 are kept as Latin-1 characters."""
    try:
        return tuple([(name.decode(), value.decode()) for name, value in headers])
    except UnicodeDecodeError:
        return tuple([(_text(name), _text(value)) for name, value in headers])


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _listed(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """Fields that `Connection` declares to be for this hop only."""
    listed = [value for name, value in headers if name == b"connection"]
    return frozenset(name.strip().lower() for value in listed for name in value.split(b","))
