"""Ways on: between dashboards, from a panel to its requests, from a trace id to Tempo, from a line to the inspector."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from urllib.parse import quote

from grafana_foundation_sdk.builders import dashboard as shape
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from dashboards.house import Plot, setting
from dashboards.signals.logged import NONE

OVERVIEW = "anthropic-proxy-overview"
WINDOWS = "anthropic-proxy-windows"
REQUESTS = "anthropic-proxy-requests"
COST = "anthropic-proxy-cost"
LIMITS = "anthropic-proxy-limits"
HEALTH = "anthropic-proxy-health"
"""uids of the dashboards."""
SHARED_FILTERS = ("organization", "endpoint", "model")
"""Variables that every page has."""
OTHER = "other"
"""What metrics call every model without a price; log lines have its name."""


def between_pages(tags: Sequence[str]) -> list[Builder[dashboard.DashboardLink]]:
    """A menu of all dashboards with these tags; it takes time range and variables along."""
    menu = shape.DashboardLink("Dashboards").type(dashboard.DashboardLinkType.DASHBOARDS).tags(list(tags))
    return [menu.as_dropdown(True).include_vars(True).keep_time(True)]


def requests(
    title: str = "Requests behind this", kept: Sequence[str] = SHARED_FILTERS, **variables: str
) -> shape.DashboardLink:
    """To the log lines of the same time range and filters; `variables` narrow them: model="${__field.labels.model}"."""
    if not variables:
        return page(REQUESTS, title)
    # Of two values of one variable in an address, one of them All, Grafana takes All: a filter is kept or narrowed.
    narrower = [f"var-{name}={value}" for name, value in variables.items()]
    return _requests(title, [name for name in kept if name not in variables], *narrower)


def to_requests(
    panel: Plot, label: str, variable: str = "", kept: Sequence[str] = SHARED_FILTERS, unknown: str = NONE
) -> Plot:
    """Lead from each series, called by its value of a label, to its requests; `variable` (or the label's) narrows them.

    `unknown` is a value that no log line has: from there the way leads to the requests of all.
    """
    narrowed = variable or label
    panel.data_links([requests("Requests of this", kept, **{narrowed: f"${{__field.labels.{label}:percentencode}}"})])
    everything = _requests("Requests of all", [name for name in kept if name != narrowed]).build()
    panel.override_by_regexp(
        f"/^{re.escape(unknown)}$/", [setting("links", [{"title": everything.title, "url": everything.url}])]
    )
    return panel


def page(uid: str, title: str) -> shape.DashboardLink:
    """To another dashboard, with the same time range and filters."""
    return _link(title, f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}")


def trace(title: str = "Trace") -> shape.DashboardLink:
    """From a cell that holds a trace id to the trace in Tempo."""
    return _link(title, _explore("${tempo}", {"queryType": "traceql", "query": "${__value.raw}"}))


def inspector(title: str = "Open in the inspector") -> shape.DashboardLink:
    """From a cell that holds a request's address in the inspector to that page."""
    return _link(title, "${__value.raw}").target_blank(True)


def logs(expr: str, title: str = "Log lines in Explore") -> shape.DashboardLink:
    """To Explore with a LogQL query."""
    # Outside of queries Grafana writes several values as {a,b}; in a regular expression they must be a|b.
    written = re.sub(r"\$([a-z]+)", r"${\1:pipe}", expr)
    return _link(title, _explore("${loki}", {"queryType": "range", "expr": written}))


def _requests(title: str, kept: Sequence[str], *narrower: str) -> shape.DashboardLink:
    filters = (f"${{{name}:queryparam}}" for name in kept)
    return _link(title, "&".join([f"/d/{REQUESTS}?${{__url_time_range}}", *filters, *narrower]))


def _link(title: str, url: str) -> shape.DashboardLink:
    return shape.DashboardLink(title).type(dashboard.DashboardLinkType.LINK).url(url)


def _explore(source: str, query: dict[str, str]) -> str:
    pane = {
        "datasource": source,
        "queries": [{"refId": "A", "datasource": {"uid": source}, **query}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    # Grafana's own ${…} stay readable to Grafana; what else JSON has is escaped.
    panes = quote(json.dumps({"a": pane}, separators=(",", ":")), safe="${}.:")
    return f"/explore?schemaVersion=1&panes={panes}"
