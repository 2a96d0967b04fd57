"""Variables of the dashboards: data sources, filters, and the hidden ones that queries need."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as shape
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from dashboards.house import source_of
from dashboards.signals import choices, windows
from dashboards.signals.signal import Source

Variables = Sequence[Builder[dashboard.VariableModel]]

_ALL = dashboard.VariableOption(text="All", value="$__all", selected=True)


def shared() -> Variables:
    """What every page has: its data sources, and what requests can be narrowed by."""
    return [source(Source.PROMETHEUS), source(Source.LOKI), *filters()]


def source(which: Source) -> shape.DatasourceVariable:
    """Which data source of a kind to ask; at first the provisioned one."""
    usual = dashboard.VariableOption(text=str(which), value=str(which), selected=True)
    return shape.DatasourceVariable(str(which)).label(which.title()).type(str(which)).current(usual)


def filters() -> list[shape.QueryVariable]:
    """Organisation, endpoint and model."""
    return [
        _filter("organization", "Organization", choices.ORGANIZATIONS),
        _filter("endpoint", "Endpoint", choices.ENDPOINTS),
        _elsewhere(),
        _filter("model", "Model", choices.MODELS).description("Metrics call a model without a price `other`"),
    ]


def key() -> shape.QueryVariable:
    """Keys of the clients."""
    variable = _filter("key", "Key", choices.KEYS)
    return variable.description("Only panels made of log lines can be narrowed by key")


def window_age(window: windows.Window) -> shape.QueryVariable:
    """Hidden: whole seconds since a rate-limit window began."""
    length = dashboard.VariableOption(text=str(window.seconds), value=str(window.seconds), selected=True)
    variable = _query(f"window_age_{window.name}", f"query_result({windows.age(window)})")
    # A fraction of a second is no range in LogQL.
    return variable.regex(r"/.* (\d+)\.?\d* .*/").current(length).hide(dashboard.VariableHide.HIDE_VARIABLE)


def _elsewhere() -> shape.QueryVariable:
    """Hidden: endpoints of organisations that are not selected. Without any it is `()`, which matches nothing."""
    variable = _query("elsewhere", choices.ENDPOINTS_ELSEWHERE).multi(True).include_all(True).current(_ALL)
    return variable.hide(dashboard.VariableHide.HIDE_VARIABLE)


def _filter(name: str, label: str, query: str) -> shape.QueryVariable:
    # Labels may be absent, and there may be no values at all: "All" matches both.
    return _query(name, query).label(label).multi(True).include_all(True).all_value(".*").current(_ALL)


def _query(name: str, query: str) -> shape.QueryVariable:
    return (
        shape.QueryVariable(name)
        .datasource(source_of(Source.PROMETHEUS))
        .query({"query": query, "refId": name})
        .definition(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )
