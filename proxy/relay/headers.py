"""Which header fields travel on, on raw byte pairs: order and duplicates kept, hop-by-hop fields removed.

https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, compress
from operator import itemgetter

RawHeaders = Sequence[tuple[bytes, bytes]]

_NAMINGS = 32
"""How many sequences of names are remembered with what is to be done: the same callers send the same ones again."""
NAME: Callable[[tuple[bytes, bytes]], bytes] = itemgetter(0)
"""Takes the name out of a field, at the speed of C: `map(NAME, headers)`."""
_NONE: frozenset[bytes] = frozenset()

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
    """The client's fields as they go upstream: without `Host`, control fields `x-proxy-*` and those of this hop.

    Nor is the upstream told what proxies in front noted about the client, such as its address.
    """
    names = tuple(map(NAME, headers))
    if b"cookie" in names:
        headers = _without_our_cookie(headers)
        names = tuple(map(NAME, headers))
    return list(compress(headers, _forwarded(names, _for_this_hop(headers) if b"connection" in names else _NONE)))


def returned(headers: RawHeaders, request_id: bytes) -> list[tuple[bytes, bytes]]:
    """The upstream's fields as they go to the client, names in their own case, plus our request id."""
    names = tuple(map(NAME, headers))
    hop_only = _NONE if _position(names, b"connection") is None else _for_this_hop(headers)
    kept = list(compress(headers, _returned(names, hop_only)))
    kept.append((b"x-proxy-request-id", request_id))
    return kept


@lru_cache(_NAMINGS)
def _forwarded(names: tuple[bytes, ...], hop_only: frozenset[bytes]) -> tuple[bool, ...]:
    dropped = _NOT_FORWARDED | hop_only
    return tuple(name not in dropped and not name.startswith(_NOT_FORWARDED_PREFIXES) for name in names)


@lru_cache(_NAMINGS)
def _returned(names: tuple[bytes, ...], hop_only: frozenset[bytes]) -> tuple[bool, ...]:
    dropped = _NOT_RETURNED | hop_only
    return tuple(name.lower() not in dropped for name in names)


@lru_cache(4 * _NAMINGS)
def _position(names: tuple[bytes, ...], wanted: bytes) -> int | None:
    lowered = [name.lower() for name in names]
    return lowered.index(wanted) if wanted in lowered else None


def _for_this_hop(headers: RawHeaders) -> frozenset[bytes]:
    """The fields that `Connection` declares to be for this hop only."""
    listed = [value for name, value in headers if name.lower() == b"connection"]
    return frozenset(name.strip().lower() for value in listed for name in value.split(b","))


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


def first(headers: RawHeaders, wanted: bytes) -> bytes | None:
    """The first value of a field, whatever its case; `wanted` in lower case."""
    at = _position(tuple(map(NAME, headers)), wanted)
    return None if at is None else headers[at][1]


def text(headers: RawHeaders) -> tuple[tuple[str, str], ...]:
    """Fields as text for the record; bytes that are not UTF-8 are kept as Latin-1 characters."""
    try:
        texts = map(bytes.decode, chain.from_iterable(headers))
        return tuple(zip(texts, texts, strict=True))
    except UnicodeDecodeError:
        return tuple([(_text(name), _text(value)) for name, value in headers])


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
