"""The arithmetic of panels around what they read: Prometheus' own engine over an installation that is made up.

That sums, rates and quantiles themselves are right, `test_promql` compares with what was played.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import promql_parser
from promql_parser import AggregateExpr, Call, Expr, MatrixSelector

from tests.servers.cache import program
from tests.stack.grafana.evaluating import Query, queries
from tests.stack.grafana.interpolation import Value
from tests.stack.grafana.shape import OURS, load
from tests.stack.grafana.variables import Span
from tests.stack.proxy.made_up import NOW_S, case
from tests.stack.proxy.panel_values import VALUES, Panel

_RANGE_S = 6 * 3_600
_SELECTED = {"endpoint": "a|b", "model": "m|n", "elsewhere": "()", "account": ".*"}
_SOURCES = ("prometheus", "loki", "tempo")


def test_panels_show_the_number_that_their_title_promises(tmp_path: Path) -> None:
    written = tmp_path / "case.yaml"
    written.write_bytes(case((query.expression, VALUES[_panel(query)]) for query in _calculated()))
    command = (program("prometheus", "promtool"), "test", "rules", written)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_panel_that_calculates_has_its_number() -> None:
    assert {_panel(query) for query in _calculated()} == VALUES.keys()


def _panel(query: Query) -> Panel:
    assert query.panel is not None
    return query.panel.title, query.target.legend_format


def _calculated() -> Iterator[Query]:
    """Queries to Prometheus of all our panels, but for what was counted since a window began: see `test_dashboards`."""
    span = Span(NOW_S - _RANGE_S, NOW_S)
    for dashboard in (load(path.read_bytes()) for path in OURS):
        known = {one.name: Value(_SELECTED.get(one.name, "1"), literal=True) for one in dashboard.templating.list}
        known |= {name: Value(name, literal=True) for name in _SOURCES}
        for query in queries(dashboard, known, span):
            since_start = query.panel is not None and "window_age" in (query.panel.time_from or "")
            if query.source == "prometheus" and not since_start and _calculates(query.expression):
                yield query


def _calculates(expression: str) -> bool:
    """Whether it is more than a sum of what counters grew by, the largest of such sums, or a quantile of buckets."""
    node: Expr = promql_parser.parse(expression)
    if isinstance(node, Call) and node.func.name == "histogram_quantile":
        node = node.args[1]
    elif isinstance(node, AggregateExpr) and str(node.op) == "topk":
        node = node.expr
    return not (isinstance(node, AggregateExpr) and str(node.op) == "sum" and _is_growth(node.expr))


def _is_growth(node: Expr) -> bool:
    return (
        isinstance(node, Call)
        and node.func.name in ("rate", "increase")
        and all(isinstance(one, MatrixSelector) for one in node.args)
    )
