"""Our dashboards on the real servers: every query is accepted, shows what there is, and reads what is proved right.

Whatever a dashboard asks is found by walking its JSON, so that a new panel is tested without being listed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from proxy.names.fields import FIELDS
from proxy.names.metrics import INSTRUMENTS, Channel
from tests.stack.grafana.evaluating import Answer, Evaluation, evaluate
from tests.stack.grafana.shape import OURS, load
from tests.stack.proxy import traffic
from tests.stack.proxy.conftest import Installation
from tests.stack.proxy.empty import exists, has_a_reason
from tests.stack.proxy.expected import COUNTERS, HISTOGRAMS
from tests.stack.proxy.gauges import GAUGES
from tests.stack.proxy.promql import selectors
from tests.stack.reading_back import Line

_UIDS = [load(path.read_bytes()).uid for path in OURS]
_VERIFIED = {*COUNTERS, *GAUGES, *(f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "count", "sum"))}
_SENT_BY_THE_PROXY = re.compile(r"(proxy|gen_ai)_")
_HEALTH = tuple(one.name.replace(".", "_") for one in INSTRUMENTS if one.channel is Channel.HEALTH)
_OF_EVERY_LINE = {"service_name", "service_instance_id", "deployment_environment_name", "trace_id", "span_id"}
_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|`[^`]*`")
_FIELDS = (
    re.compile(r"(\w+)\s*(?:=~|!~|!=|==|=|>=|<=|>|<)"),
    re.compile(r"\bunwrap\s+(?:\w+\()?(\w+)"),
    re.compile(r"\b(?:by|without)\s*\(([^)]*)\)"),
    re.compile(r"\|\s*(?:keep|drop)\s+([\w\s,]+)"),
)
_NEVER_EXISTED = ("never-existed (1.5)|x", "nor this one")
_WRITTEN = 'he said "(x.*[y" \\ to me'
_TOKENS = re.compile(r"proxy_tokens_\w+?_total")


@pytest.fixture(params=_UIDS)
def uid(request: pytest.FixtureRequest) -> str:
    """Each of our dashboards."""
    return str(request.param)


@pytest.fixture
def shown(played: Installation, uid: str) -> Evaluation:
    """The dashboard over what was played."""
    return played.shown(uid)


def _refused(evaluation: Evaluation) -> list[str]:
    return [f"{answer.query}: {answer.refused}" for answer in evaluation.every_answer if answer.refused]


def _by_panel(evaluation: Evaluation) -> dict[str, list[Answer]]:
    found: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in evaluation.answers:
        assert answer.query.panel is not None
        found[answer.query.panel.title].append(answer)
    return found


def test_every_query_is_accepted(shown: Evaluation) -> None:
    assert _refused(shown) == []
    assert shown.answers
    assert {query.source for query in shown.unasked} <= {"tempo"}


def test_every_query_gives_something_unless_there_is_nothing(shown: Evaluation, played: Installation) -> None:
    empty = [answer for answer in shown.every_answer if not answer.has_data and not has_a_reason(answer, played)]
    assert [str(answer.query) for answer in empty] == []


def test_variables_offer_what_the_ledger_has(shown: Evaluation, played: Installation) -> None:
    rows = played.ledger.exchanges
    known = {
        "organization": {row["organization"] for row in rows} - {None},
        "endpoint": {row["endpoint"] for row in rows},
        "model": {row["label"] for row in rows} - {None},
        "key": {row["key"] for row in rows if row["outcome"] == "ok"} - {None},
        "outcome": {row["outcome"] for row in rows},
        "status": {"none" if row["status"] is None else str(row["status"]) for row in rows},
        "account": {row["account"] for row in played.ledger.windows},
    }
    offered = {name: set(value.offered) for name, value in shown.values.items() if name in known}
    assert offered == {name: known[name] for name in offered}
    assert {"organization", "endpoint", "model"} <= offered.keys()


def test_before_anything_was_sent_no_query_is_refused(played: Installation, uid: str) -> None:
    assert _refused(played.empty[uid]) == []


def test_panels_without_data_say_so(played: Installation, uid: str) -> None:
    silent = [
        title
        for title, answers in _by_panel(played.empty[uid]).items()
        if not any(answer.has_data for answer in answers)
        and not all(answer.query.panel and answer.query.panel.field_config.defaults.no_value for answer in answers)
    ]
    assert silent == []


def test_what_never_existed_is_no_error(played: Installation, uid: str) -> None:
    dashboard = played.dashboards[uid]
    filters = [one.name for one in dashboard.templating.list if one.type == "query" and one.multi]
    chosen = {name: _NEVER_EXISTED[: 1 + position % 2] for position, name in enumerate(filters)}
    chosen |= {one.name: (_WRITTEN,) for one in dashboard.templating.list if one.type == "textbox"}
    shown = evaluate(dashboard, played.servers, played.at, chosen)
    assert _refused(shown) == []


def test_metrics_are_those_that_were_compared_with_the_ledger(shown: Evaluation, played: Installation) -> None:
    """Except what is scraped, because loss is not reported over the channel that loses, and what rules record."""
    read = {
        str(selector.name)
        for answer in shown.every_answer
        if answer.query.source == "prometheus"
        for selector in selectors(answer.query.expression)
        if selector.name is not None
    }
    sent = {name for name in read if _SENT_BY_THE_PROXY.match(name) and not name.startswith(_HEALTH)}
    assert sent <= _VERIFIED
    assert [name for name in read - sent - {"ALERTS"} if not exists(name, played)] == []


def test_log_fields_are_those_that_were_compared_with_the_ledger(shown: Evaluation) -> None:
    known = {field.name for field in FIELDS} | _OF_EVERY_LINE | {"__error__"}
    asked = [answer.query.expression for answer in shown.every_answer if answer.query.source == "loki"]
    assert {name for expression in asked for name in _fields(expression)} <= known


def _fields(expression: str) -> Iterator[str]:
    bare = _TEXT.sub("", expression)
    for pattern in _FIELDS:
        for found in pattern.findall(bare):
            yield from (name.strip() for name in found.split(",") if name.strip())


def test_exemplars_lead_to_traces_of_the_ledger(shown: Evaluation, played: Installation) -> None:
    traces = {row["trace_id"] for row in played.ledger.exchanges}
    for answer in shown.answers:
        if answer.query.target.exemplar:
            span = answer.query.span
            found = played.servers["prometheus"].exemplars(answer.query.expression, span.start, span.end + 60)
            assert found, str(answer.query)
            assert {labels["trace_id"] for labels in found} <= traces


def test_annotations_mark_every_429(shown: Evaluation, played: Installation) -> None:
    limited = [attempt for row in played.ledger.exchanges for attempt in row["attempts"] if attempt["status"] == 429]
    lines: list[Line] = [line for answer in shown.annotations.values() for line in answer.lines]
    assert len(lines) == len(limited) > 0


def test_annotations_mark_every_credential_that_pauses(shown: Evaluation, played: Installation) -> None:
    """A mark is as long as Grafana's step, so those that paused shortly before are marked, too."""
    states = list(GAUGES["proxy_credential_active"](played.ledger, played.at))
    pausing = {labels["credential"] for labels, active in states if not active}
    paused = {row["account"] for row in played.ledger.windows if row["status"] == "rejected"}
    marks = [series for answer in shown.annotations.values() for series in answer.series]
    assert pausing <= {one.labels["credential"] for one in marks if one.points[-1][1] > 0} <= paused
    assert pausing


def test_cumulative_views_show_every_model_from_nothing_to_the_ledgers_sum(played: Installation) -> None:
    """A model that nobody had heard of when the dashboard was written stands there by its own name."""
    panels = [
        answer
        for uid in _UIDS
        for answer in played.shown(uid).answers
        if answer.query.panel and "window_age" in (answer.query.panel.time_from or "")
    ]
    by_model = [answer for answer in panels if "{{model}}" in answer.query.target.legend_format]
    for answer in panels:
        for series in answer.series:
            values = [value for _, value in series.points]
            assert values == sorted(values), f"{answer.query} does not only grow: {series.labels}"
    for answer in panels:
        columns = {
            name.removeprefix("proxy_").removesuffix("_total") for name in _TOKENS.findall(answer.query.expression)
        }
        wanted: defaultdict[str, int] = defaultdict(int)
        for row in played.ledger.exchanges:
            for column in columns:
                wanted[row["label"]] += row[f"{column.removeprefix('tokens_')}_tokens"] or 0
        if answer not in by_model:
            assert [series.last for series in answer.series] == [sum(wanted.values())], str(answer.query)
            continue
        found = {series.labels["model"]: series.last for series in answer.series}
        assert found == {model: tokens for model, tokens in wanted.items() if model in found}
        assert found[traffic.NEW_MODEL] > 0
        assert set(found) >= {model for model, tokens in wanted.items() if tokens}
    assert len(by_model) >= 4
