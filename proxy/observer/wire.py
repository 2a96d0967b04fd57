"""OTLP requests as bytes, written field by field.

The SDK's encoder makes about a hundred message objects of one exchange, which costs more than reading and projecting
it; the bytes here are the same. Messages: https://github.com/open-telemetry/opentelemetry-proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from proxy.names import attributes, fields

Value = str | bool | int | float | tuple[str, ...]
_SAMPLED = 0x01
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_ERROR = 2
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_SHORT = 0x80
_BYTE = tuple(bytes((number,)) for number in range(_SHORT))
_TEXT = tuple(b"\x0a" + size for size in _BYTE)
_double = struct.Struct("<d").pack
_fixed32 = struct.Struct("<I").pack
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


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record; its time is also the one it was observed at."""

    time_ns: int
    severity: Severity
    body: str
    attributes: Mapping[str, Value]
    trace_id: int
    span_id: int


@dataclass(frozen=True, slots=True)
class Span:
    """One span."""

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    kind: Kind
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value]
    events: tuple[tuple[str, int], ...] = ()
    """Name and time of each."""
    parent_is_remote: bool = False
    failed: bool = False
    failure: str | None = None
    """What went wrong, as far as that is known."""


def request(resource: bytes, scope: bytes, items: Iterable[bytes]) -> bytes:
    """An export request of one resource and scope; `items` are its log records, spans or metrics, each an `item`."""
    return _field(b"\x0a", _field(b"\x0a", resource) + _field(b"\x12", b"".join((_field(b"\x0a", scope), *items))))


def resource(values: Mapping[str, Value]) -> bytes:
    """Whose telemetry it is."""
    return _attributes(b"\x0a", values)


def scope(name: str) -> bytes:
    """What part of it made it."""
    return _field(b"\x0a", name.encode())


def item(message: bytes) -> bytes:
    """A log record, span or metric as the field of its scope that it is."""
    return _field(b"\x12", message)


def log_record(record: LogRecord) -> bytes:
    """One record as an item."""
    body = _field(b"\x0a", record.body.encode())
    return item(
        b"".join(
            (
                b"\x09",
                _fixed64(record.time_ns),
                b"\x10",
                _BYTE[record.severity],
                _field(b"\x1a", record.severity.name.encode()),
                _field(b"\x2a", body),
                _attributes(b"\x32", record.attributes),
                b"\x45",
                _fixed32(_SAMPLED),
                b"\x4a\x10",
                record.trace_id.to_bytes(16, "big"),
                b"\x52\x08",
                record.span_id.to_bytes(8, "big"),
                b"\x59",
                _fixed64(record.time_ns),
            )
        )
    )


def span(one: Span) -> bytes:
    """One span as an item."""
    remote = _IS_REMOTE if one.parent_is_remote else 0
    return item(
        b"".join(
            (
                b"\x0a\x10",
                one.trace_id.to_bytes(16, "big"),
                b"\x12\x08",
                one.span_id.to_bytes(8, "big"),
                b"" if one.parent_id is None else b"\x22\x08" + one.parent_id.to_bytes(8, "big"),
                _field(b"\x2a", one.name.encode()),
                b"\x30",
                _BYTE[one.kind],
                b"\x39",
                _fixed64(one.start_ns),
                b"\x41",
                _fixed64(one.end_ns),
                _attributes(b"\x4a", one.attributes),
                *(
                    _field(b"\x5a", b"\x09" + _fixed64(time_ns) + _field(b"\x12", name.encode()))
                    for name, time_ns in one.events
                ),
                _field(b"\x7a", _status(one)),
                b"\x85\x01",
                _fixed32(_HAS_IS_REMOTE | remote),
            )
        )
    )


def _status(one: Span) -> bytes:
    if not one.failed:
        return b""
    return (_field(b"\x12", one.failure.encode()) if one.failure else b"") + b"\x18" + _BYTE[_ERROR]


def _attributes(tag: bytes, values: Mapping[str, Value]) -> bytes:
    """Pairs of name and value; an integer that has no 64 bits is left out."""
    parts: list[bytes] = []
    for name, value in values.items():
        held = _any(value)
        if held:
            key, size = _KEYS.get(name) or _key(name), len(held)
            size_of_pair = len(key) + size + (2 if size < _SHORT else 1 + len(_varint(size)))
            parts += (tag, _varint(size_of_pair), key, b"\x12", _varint(size), held)
    return b"".join(parts)


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
