"""OTLP requests as bytes, written field by field.

The SDK's encoder makes about a hundred message objects of one exchange, which costs more than reading and projecting
it; the bytes here are the same. Messages: https://github.com/open-telemetry/opentelemetry-proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum

from proxy.names import attributes, fields

Value = str | bool | int | float | tuple[str, ...]
LOGGED, SPANNED = b"\x32", b"\x4a"
"""Tags of the attributes of a log record and of a span."""
_SAMPLED = b"\x45\x01\x00\x00\x00"
_LOCAL, _REMOTE = b"\x85\x01\x00\x01\x00\x00", b"\x85\x01\x00\x03\x00\x00"
_NO_STATUS = b"\x7a\x00"
_ERROR = 2
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_SHORT = 0x80
_BYTE = tuple(bytes((number,)) for number in range(_SHORT))
_TEXT = tuple(b"\x0a" + size for size in _BYTE)
_double = struct.Struct("<d").pack
_fixed64 = struct.Struct("<Q").pack


class Severity(IntEnum):
    """Of a log record."""

    INFO = 9
    WARN = 13
    ERROR = 17


class Kind(IntEnum):
    """Of a span."""

    SERVER = 2
    CLIENT = 3


def request(resource: bytes, scope: bytes, items: Iterable[bytes]) -> bytes:
    """An export request of one resource and scope; `items` are its log records, spans or metrics, each an `item`."""
    return _field(b"\x0a", _field(b"\x0a", resource) + _field(b"\x12", b"".join((_field(b"\x0a", scope), *items))))


def resource(values: Mapping[str, Value]) -> bytes:
    """Whose telemetry it is."""
    return b"".join(attribute(b"\x0a", name, value) for name, value in values.items())


def scope(name: str) -> bytes:
    """What part of it made it."""
    return _field(b"\x0a", name.encode())


def item(message: bytes) -> bytes:
    """A log record, span or metric as the field of its scope that it is."""
    return _field(b"\x12", message)


def log_record(
    *, time_ns: int, severity: Severity, body: bytes, attributes: bytes, trace_id: int, span_id: int
) -> bytes:
    """One record as an item; its time is also the one it was observed at, its attributes have the tag `LOGGED`."""
    time = _fixed64(time_ns)
    return item(
        b"".join(
            (
                b"\x09",
                time,
                _SEVERITY[severity],
                _field(b"\x2a", _field(b"\x0a", body)),
                attributes,
                _SAMPLED,
                b"\x4a\x10",
                trace_id.to_bytes(16, "big"),
                b"\x52\x08",
                span_id.to_bytes(8, "big"),
                b"\x59",
                time,
            )
        )
    )


def span(
    *,
    trace_id: int,
    span_id: int,
    parent_id: int | None,
    parent_is_remote: bool,
    name: str,
    kind: Kind,
    start_ns: int,
    end_ns: int,
    attributes: bytes,
    events: Iterable[tuple[str, int]] = (),
    failed: bool = False,
    failure: str | None = None,
) -> bytes:
    """One span as an item; its attributes have the tag `SPANNED`.

    `events`: name and time of each; `failure`: what went wrong, as far as that is known.
    """
    return item(
        b"".join(
            (
                b"\x0a\x10",
                trace_id.to_bytes(16, "big"),
                b"\x12\x08",
                span_id.to_bytes(8, "big"),
                b"" if parent_id is None else b"\x22\x08" + parent_id.to_bytes(8, "big"),
                _field(b"\x2a", name.encode()),
                b"\x30",
                _BYTE[kind],
                b"\x39",
                _fixed64(start_ns),
                b"\x41",
                _fixed64(end_ns),
                attributes,
                *[
                    _field(b"\x5a", b"\x09" + _fixed64(time_ns) + _field(b"\x12", name.encode()))
                    for name, time_ns in events
                ],
                _status(failure) if failed else _NO_STATUS,
                _REMOTE if parent_is_remote else _LOCAL,
            )
        )
    )


def attribute(tag: bytes, name: str, value: Value | None) -> bytes:
    """A pair of name and value in a field; nothing where it is not known, or an integer that has no 64 bits."""
    held = b"" if value is None else _any(value)
    if not held:
        return b""
    key, size = _KEYS.get(name) or _key(name), len(held)
    size_of_pair = len(key) + 2 + size
    if size_of_pair < _SHORT:
        return b"%b%c%b\x12%c%b" % (tag, size_of_pair, key, size, held)
    return _field(tag, key + _field(b"\x12", held))


def _status(failure: str | None) -> bytes:
    return _field(b"\x7a", (_field(b"\x12", failure.encode()) if failure else b"") + b"\x18" + _BYTE[_ERROR])


def _any(value: Value) -> bytes:
    if isinstance(value, str):
        data = value.encode()
        size = len(data)
        return (_TEXT[size] if size < _SHORT else b"\x0a" + _varint(size)) + data
    if isinstance(value, bool):
        return b"\x10" + _BYTE[value]
    if isinstance(value, int):
        return b"\x18" + _varint(value) if _LOWEST <= value <= _HIGHEST else b""
    if isinstance(value, float):
        return b"\x21" + _double(value)
    return _field(b"\x2a", b"".join(_field(b"\x0a", _any(each)) for each in value))


def _key(name: str) -> bytes:
    return _field(b"\x0a", name.encode())


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    """Seven bits per byte, the lowest first; of a negative number its 64 bits."""
    if 0 <= number < _SHORT:
        return _BYTE[number]
    if 0 < number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    number &= 0xFFFF_FFFF_FFFF_FFFF
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


_KEYS = {each.name: _key(each.name) for each in (*fields.FIELDS, *attributes.SPAN)}
_SEVERITY = {each: b"\x10" + _BYTE[each] + _field(b"\x1a", each.name.encode()) for each in Severity}
