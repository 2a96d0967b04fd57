"""Asks Prometheus and Loki over their HTTP APIs, instant and range, and gives both back in one shape."""

from __future__ import annotations

import math
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

import msgspec

_ANSWER_SECONDS = 60
_MOST_LINES = 1_000
"""Of a page, which must not have more than 4 MiB inside Loki."""


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


@dataclass(frozen=True)
class Found:
    """What a query gave: numbers, or log lines from the oldest to the newest."""

    series: list[Series]
    lines: list[Line]


class _Result(msgspec.Struct):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _Stream(msgspec.Struct):
    stream: dict[str, str]
    values: list[tuple[str, str]]


class _Data(msgspec.Struct, rename="camel"):
    result_type: str
    result: msgspec.Raw


class _Reply(msgspec.Struct):
    data: _Data


class _Texts(msgspec.Struct):
    data: list[str]


class _Exemplar(msgspec.Struct):
    labels: dict[str, str]


class _Exemplars(msgspec.Struct):
    exemplars: list[_Exemplar]


class _ExemplarsReply(msgspec.Struct):
    data: list[_Exemplars]


@dataclass(frozen=True)
class Server:
    """A Prometheus or Loki; times are unix seconds. Every call raises QueryRefusedError for any status but 200."""

    address: str
    api: str
    """Path of its query API: `/api/v1` or `/loki/api/v1`."""

    def instant(self, expression: str, at: float) -> list[Series]:
        """The value of every series at that time; of a range vector, its recorded samples."""
        return self.ask(expression, at).series

    def range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Every series at start, start + step seconds, … end."""
        return self.ask_range(expression, start, end, step).series

    def lines(self, expression: str, start: float, end: float, limit: int = 1000) -> list[Line]:
        """Log lines, oldest first (Loki only)."""
        times = {"start": _text(start), "end": _text(end), "limit": str(limit), "direction": "forward"}
        return _found(self._get("query_range", query=expression, **times)).lines

    def every_line(self, expression: str, start: float, end: float) -> list[Line]:
        """All log lines, however many (Loki only)."""
        found: dict[tuple[int, str], Line] = {}
        since = start
        while True:
            page = self.lines(expression, since, end, _MOST_LINES)
            found |= {(line.time_ns, line.text): line for line in page}
            if len(page) < _MOST_LINES:
                return list(found.values())
            since = page[-1].time_ns / 1e9 - 0.001

    def value(self, expression: str, at: float) -> float:
        """The one number an expression has at that time; NaN for no series, ValueError for several."""
        found = self.instant(expression, at)
        if len(found) > 1:
            raise ValueError(f"{len(found)} series instead of one: {expression}")
        return found[0].last if found else math.nan

    def ask(self, expression: str, at: float) -> Found:
        """What a query gives at that time."""
        return _found(self._get("query", query=expression, time=_text(at)))

    def ask_range(self, expression: str, start: float, end: float, step: float, limit: int = 1000) -> Found:
        """What a query gives between start and end: numbers every `step` seconds, or the newest `limit` log lines."""
        times = {"start": _text(start), "end": _text(end), "step": _text(step), "limit": str(limit)}
        return _found(self._get("query_range", query=expression, **times))

    def label_values(self, label: str, selector: str | None, start: float, end: float) -> list[str]:
        """Values of a label, of those series only that a selector finds (Prometheus only)."""
        times = {"start": _text(start), "end": _text(end)}
        matching = {} if selector is None else {"match[]": selector}
        return msgspec.json.decode(self._get(f"label/{label}/values", **matching, **times), type=_Texts).data

    def exemplars(self, expression: str, start: float, end: float) -> list[dict[str, str]]:
        """Labels of all exemplars of the series that a query reads (Prometheus only)."""
        reply = self._get("query_exemplars", query=expression, start=_text(start), end=_text(end))
        found = msgspec.json.decode(reply, type=_ExemplarsReply).data
        return [exemplar.labels for series in found for exemplar in series.exemplars]

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


def _found(reply: bytes) -> Found:
    data = msgspec.json.decode(reply, type=_Reply).data
    if data.result_type == "streams":
        streams = msgspec.json.decode(data.result, type=list[_Stream])
        lines = [Line(int(time), one.stream, text) for one in streams for time, text in one.values]
        return Found([], sorted(lines, key=lambda line: line.time_ns))
    if data.result_type == "scalar":
        return Found([_one_series(_Result(value=msgspec.json.decode(data.result, type=tuple[float, str])))], [])
    return Found([_one_series(one) for one in msgspec.json.decode(data.result, type=list[_Result])], [])


def _one_series(result: _Result) -> Series:
    points = result.values if result.value is None else [result.value]
    return Series(result.metric, tuple((time, float(value)) for time, value in points))


def _text(seconds: float) -> str:
    return f"{seconds:.3f}".removesuffix(".000")
