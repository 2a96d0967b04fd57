"""Variables of the dashboards: data sources, filters, and the hidden ones that queries need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard as shape
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from dashboards.house import source_of
from dashboards.signals import choices, limits, windows
from dashboards.signals.signal import Source

Variables = Sequence[Builder[dashboard.VariableModel]]

_MODELS = "Metrics call a model without a price `other`; of times, sizes and errors they know the endpoint only"
_ALL = dashboard.VariableOption(text="All", value="$__all", selected=True)


def shared() -> Variables:
    """What every page about metrics has: its data sources, and what requests can be narrowed by."""
    return [source(Source.PROMETHEUS), source(Source.LOKI), *filters(), _elsewhere()]


def source(which: Source) -> shape.DatasourceVariable:
    """Which data source of a kind to ask; at first the provisioned one."""
    usual = dashboard.VariableOption(text=str(which), value=str(which), selected=True)
    return shape.DatasourceVariable(str(which)).label(which.title()).type(str(which)).current(usual)


def filters() -> list[shape.QueryVariable]:
    """Organisation, endpoint and model."""
    return [
        _filter("organization", "Organization", choices.ORGANIZATIONS),
        _filter("endpoint", "Endpoint", choices.ENDPOINTS),
        _filter("model", "Model", choices.MODELS).description(_MODELS),
    ]


def key() -> shape.QueryVariable:
    """Keys of the clients."""
    variable = _filter("key", "Key", choices.KEYS)
    return variable.description("Only panels made of log lines can be narrowed by key")


def outcome() -> shape.QueryVariable:
    """How requests ended."""
    return _filter("outcome", "Outcome", choices.OUTCOMES)


def status() -> shape.QueryVariable:
    """HTTP statuses."""
    return _filter("status", "Status", choices.STATUSES)


def accounts() -> list[shape.QueryVariable]:
    """Accounts that have rate-limit windows, and hidden: all of them, whichever are chosen."""
    chosen = _filter("account", "Account", choices.ACCOUNTS)
    return [
        chosen.description("Only panels about windows can be narrowed by account"),
        _every("windowed", choices.ACCOUNTS),
    ]


def text(name: str, label: str, description: str) -> shape.TextBoxVariable:
    """Something typed; at first nothing."""
    nothing = dashboard.VariableOption(text="", value="", selected=True)
    return shape.TextBoxVariable(name).label(label).description(description).default_value("").current(nothing)


def at_least(name: str, label: str, steps: Mapping[str, float]) -> shape.CustomVariable:
    """One of some numbers by the words for them, at first 0."""
    words = {"anything": 0, **steps}
    first = dashboard.VariableOption(text="anything", value="0", selected=True)
    values = ", ".join(f"{word} : {number}" for word, number in words.items())
    return shape.CustomVariable(name).label(label).values(values).current(first)


def window_age(window: windows.Window) -> shape.QueryVariable:
    """Hidden: whole seconds since a window of the main account began."""
    return _seconds(f"window_age_{window.name}", windows.age(window), window.seconds)


def account_age(window: windows.Window) -> shape.QueryVariable:
    """Hidden: whole seconds since the earliest such window of the chosen accounts began."""
    return _seconds(f"account_age_{window.name}", limits.age(window), window.seconds)


def _seconds(name: str, query: str, usual: int) -> shape.QueryVariable:
    length = dashboard.VariableOption(text=str(usual), value=str(usual), selected=True)
    variable = _query(name, f"query_result({query})")
    # A fraction of a second is no range in LogQL.
    return variable.regex(r"/.* (\d+)\.?\d* .*/").current(length).hide(dashboard.VariableHide.HIDE_VARIABLE)


def _elsewhere() -> shape.QueryVariable:
    """Hidden: endpoints of organisations that are not selected. Without any it is `()`."""
    return _every("elsewhere", choices.ENDPOINTS_ELSEWHERE)


def _every(name: str, query: str) -> shape.QueryVariable:
    variable = _query(name, query).multi(True).include_all(True).current(_ALL)
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
