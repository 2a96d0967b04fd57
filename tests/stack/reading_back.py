"""Asks Prometheus and Loki over their HTTP APIs, instant and range, and gives both back in one shape."""

from __future__ import annotations

import math
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

import msgspec

_ANSWER_SECONDS = 60


class QueryRefusedError(Exception):
    """The server's own words about a query that it did not accept."""


@dataclass(frozen=True)
class Series:
    """One series of an answer: an instant answer has one point."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]
    """(unix seconds, value) in order of time; the value may be NaN."""

    @property
    def last(self) -> float:
        """The newest value that is a number; NaN if there is none."""
        return next((value for _, value in reversed(self.points) if not math.isnan(value)), math.nan)


@dataclass(frozen=True)
class Line:
    """One log line with its labels, structured metadata and parsed fields in one dict."""

    time_ns: int
    labels: dict[str, str]
    text: str


class _Result(msgspec.Struct):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _Stream(msgspec.Struct):
    stream: dict[str, str]
    values: list[tuple[str, str]]


class _Numbers(msgspec.Struct, rename={"result_type": "resultType"}):
    result_type: str
    result: list[_Result]


class _Streams(msgspec.Struct):
    result: list[_Stream]


class _NumbersReply(msgspec.Struct):
    data: _Numbers


class _StreamsReply(msgspec.Struct):
    data: _Streams


@dataclass(frozen=True)
class Server:
    """A Prometheus or Loki; times are unix seconds. Every call raises QueryRefusedError for any status but 200."""

    address: str
    api: str
    """Path of its query API: `/api/v1` or `/loki/api/v1`."""

    def instant(self, expression: str, at: float) -> list[Series]:
        """The value of every series at that time."""
        return _series(self._get("query", query=expression, time=_text(at)))

    def range(self, expression: str, start: float, end: float, step: int) -> list[Series]:
        """Every series at start, start + step seconds, … end."""
        times = {"start": _text(start), "end": _text(end), "step": str(step)}
        return _series(self._get("query_range", query=expression, **times))

    def lines(self, expression: str, start: float, end: float, limit: int = 1000) -> list[Line]:
        """Log lines, oldest first (Loki only)."""
        times = {"start": _text(start), "end": _text(end), "limit": str(limit), "direction": "forward"}
        reply = msgspec.json.decode(self._get("query_range", query=expression, **times), type=_StreamsReply)
        found = [Line(int(time), one.stream, text) for one in reply.data.result for time, text in one.values]
        return sorted(found, key=lambda line: line.time_ns)

    def value(self, expression: str, at: float) -> float:
        """The one number an expression has at that time; NaN for no series, ValueError for several."""
        found = self.instant(expression, at)
        if len(found) > 1:
            raise ValueError(f"{len(found)} series instead of one: {expression}")
        return found[0].last if found else math.nan

    def _get(self, call: str, **parameters: str) -> bytes:
        url = f"{self.address}{self.api}/{call}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as response:
                body: bytes = response.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                raise QueryRefusedError(f"{error.code} {error.read().decode(errors='replace')}: {parameters}") from None


def prometheus(address: str) -> Server:
    """The query API of the Prometheus at `http://host:port`."""
    return Server(address, "/api/v1")


def loki(address: str) -> Server:
    """The query API of the Loki at `http://host:port`."""
    return Server(address, "/loki/api/v1")


def _series(reply: bytes) -> list[Series]:
    found = msgspec.json.decode(reply, type=_NumbersReply).data.result
    return [_one_series(result) for result in found]


def _one_series(result: _Result) -> Series:
    points = result.values if result.value is None else [result.value]
    return Series(result.metric, tuple((time, float(value)) for time, value in points))


def _text(seconds: float) -> str:
    return f"{seconds:.3f}".removesuffix(".000")
