"""Whether a query that gave nothing had nothing to give: found out from the series and lines that it reads."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from promql_parser import MatrixSelector, VectorSelector

from tests.rules.reading import recorded
from tests.servers.cache import program
from tests.stack.grafana.evaluating import Answer
from tests.stack.proxy.conftest import Installation
from tests.stack.proxy.promql import nodes, selectors

_LINES = re.compile(r"\{service_name=.*?(?=\s*\[\d|$)", re.DOTALL)
_UNWRAP = re.compile(r"\|\s*unwrap.*", re.DOTALL)
_ELF = b"\x7fELF"
_SERVERS = {"otelcol": "otel-collector", "loki": "loki", "prometheus": "prometheus", "alertmanager": "alertmanager"}
"""First word of a server's metrics about itself → its recipe."""


class _LoadedRule(msgspec.Struct):
    name: str


class _LoadedGroup(msgspec.Struct, rename="camel"):
    rules: list[_LoadedRule]
    last_evaluation: datetime


class _Loaded(msgspec.Struct):
    groups: list[_LoadedGroup]


class _Reply(msgspec.Struct):
    data: _Loaded


def has_a_reason(answer: Answer, played: Installation) -> bool:
    """Whether something that the query reads is missing, or was 0 in the whole range, or was scraped only once."""
    seconds = f"[{round(answer.query.span.end - answer.query.span.start)}s]"
    if answer.query.source == "prometheus":
        text = answer.query.expression
        return any(_is_nothing(one, seconds, played) for one in selectors(text)) or any(
            _is_one_sample(one.vector_selector, seconds, played) for one in nodes(text, MatrixSelector)
        )
    return any(
        played.servers["loki"].instant(f"sum(count_over_time({_UNWRAP.sub('', lines)} {seconds}))", played.at) == []
        for lines in _LINES.findall(answer.query.expression)
    )


def exists(name: str, played: Installation) -> bool:
    """Whether a metric has series, is recorded, or is at least known to the server that would show it."""
    if played.servers["prometheus"].instant(f"count(count_over_time({name}[1d]))", played.at):
        return True
    first, _, rest = name.partition("_")
    return name in recorded() or (first in _SERVERS and _knows(program(_SERVERS[first]), rest))


def _is_nothing(selector: VectorSelector, seconds: str, played: Installation) -> bool:
    text = re.sub(r" @ .*", "", selector.prettify())
    greatest = played.servers["prometheus"].instant(f"max(max_over_time({text}{seconds}))", played.at)
    if greatest:
        return greatest[0].last == 0
    return selector.name not in recorded() or _was_recorded_later(str(selector.name), played)


def _is_one_sample(selector: VectorSelector, seconds: str, played: Installation) -> bool:
    """Whether there is a value, but none before it from which it could have increased."""
    text = re.sub(r" @ .*", "", selector.prettify())
    most = played.servers["prometheus"].instant(f"max(count_over_time({text}{seconds}))", played.at)
    return bool(most) and most[0].last == 1


def _was_recorded_later(name: str, played: Installation) -> bool:
    """Whether the turn of its group has come after the moment that is looked at, or not since there are requests."""
    later = played.servers["prometheus"].instant(f"count({name})", time.time())
    return bool(later) or name in set(_not_recorded(played))


def _not_recorded(played: Installation) -> Iterator[str]:
    with urllib.request.urlopen(f"{played.stack.prometheus}/api/v1/rules", timeout=10) as response:
        groups = msgspec.json.decode(response.read(), type=_Reply).data.groups
    for group in groups:
        if group.last_evaluation.timestamp() < played.since:
            yield from (rule.name for rule in group.rules)


def _knows(server: Path, text: str) -> bool:
    """Whether the program contains the text; a script that starts a container cannot be asked."""
    contents = server.read_bytes()
    return not contents.startswith(_ELF) or text.encode() in contents
