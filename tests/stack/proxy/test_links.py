"""Ways on from our dashboards lead somewhere: to dashboards, variables, fields and queries that there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from proxy.names.fields import FIELDS
from tests.stack.grafana.evaluating import Answer, Evaluation
from tests.stack.grafana.interpolation import interpolated, references
from tests.stack.grafana.shape import OURS, Dashboard, Panel, load
from tests.stack.proxy.conftest import Installation

_OF_GRAFANA = {"__url_time_range", "__all_variables", "__from", "__to", "__value", "__field", "__data", "__series"}
_FIELDS = tuple(field.name for field in FIELDS)
_UIDS = [load(path.read_bytes()).uid for path in OURS]


@dataclass(frozen=True)
class Found:
    """A link and where it stands."""

    panel: Panel
    url: str
    field: str | None
    """Of a link that only the values of one field have."""
    answers: list[Answer]
    """Of the panel."""

    @property
    def labels(self) -> set[str]:
        """Labels of the panel's series."""
        return {name for answer in self.answers for series in answer.series for name in series.labels}

    @property
    def titles(self) -> dict[str, str]:
        """Fields that the panel shows, by what they are called there. Any line may have any field of the contract."""
        found = {name: name for name in self.labels}
        found |= {name: name for answer in self.answers for line in answer.lines for name in (*line.labels, *_FIELDS)}
        for step in self.panel.transformations:
            series = [series for answer in self.answers for series in answer.series]
            columns = {one.labels[step.options.value_label] for one in series if step.options.value_label in one.labels}
            found |= {name: name for name in columns}
            found = step.options.titles(set(found))
        return found

    def __str__(self) -> str:
        return f"{self.panel.title}: {unquote(self.url)}"


@pytest.fixture(params=_UIDS)
def shown(played: Installation, request: pytest.FixtureRequest) -> Evaluation:
    """Each of our dashboards over what was played."""
    return played.shown(str(request.param))


def _links(shown: Evaluation) -> Iterator[Found]:
    for panel in shown.dashboard.all_panels:
        answers = [answer for answer in shown.answers if answer.query.panel is panel]
        for link, field in panel.every_link:
            yield Found(panel, link.url, field, answers)


def _variables(dashboard: Dashboard) -> set[str]:
    return {one.name for one in dashboard.templating.list}


def test_variables_in_links_exist(shown: Evaluation) -> None:
    known = _variables(shown.dashboard) | _OF_GRAFANA
    unknown = [str(link) for link in _links(shown) if not {name for name, _ in references(unquote(link.url))} <= known]
    assert unknown == []


def test_links_name_fields_that_the_queries_give(shown: Evaluation) -> None:
    """A panel that shows nothing at the moment has no values that a link could stand at."""
    wrong = []
    for link in _links(shown):
        if any(answer.has_data for answer in link.answers):
            known = {f"labels.{name}" for name in link.labels} | {f"fields.{name}" for name in link.titles.values()}
            paths = {path for name, path in references(unquote(link.url)) if name in ("__field", "__data") and path}
            if not paths <= known or (link.field is not None and link.field not in link.titles):
                wrong.append(str(link))
    assert wrong == []


def test_links_between_dashboards_name_dashboards_and_their_variables(shown: Evaluation, played: Installation) -> None:
    for link in _links(shown):
        address = urlsplit(link.url)
        if address.path.startswith("/d/"):
            target = played.dashboards[address.path.split("/")[2]]
            given = {name.removeprefix("var-") for name, _ in parse_qsl(address.query) if name.startswith("var-")}
            given |= {name for name, _ in references(address.query)} - _OF_GRAFANA
            assert given <= _variables(target), str(link)
        else:
            assert address.path == "/explore" or link.url == "${__value.raw}", str(link)


def test_links_into_explore_ask_what_the_servers_accept(shown: Evaluation, played: Installation) -> None:
    built_in = shown.answers[0].query.span.built_in
    for link in _links(shown):
        address = urlsplit(link.url)
        if address.path == "/explore":
            [pane] = json.loads(dict(parse_qsl(address.query))["panes"]).values()
            assert pane["datasource"].strip("${}") in _variables(shown.dashboard), str(link)
            for query in pane["queries"]:
                text = query.get("expr", "")
                if text and not any(name.startswith("__") for name, _ in references(text)):
                    expression = interpolated(text, {**shown.values, **built_in}, "loki")
                    played.servers["loki"].lines(expression, played.since, played.at, 1)


def test_values_that_are_addresses_lead_to_the_inspector(shown: Evaluation, played: Installation) -> None:
    for link in _links(shown):
        if link.url == "${__value.raw}":
            name = link.titles[str(link.field)]
            addresses = {line.labels[name] for answer in link.answers for line in answer.lines}
            assert all(address.startswith(played.proxy.inspector_url) for address in addresses), str(link)


def test_menus_offer_every_dashboard(played: Installation) -> None:
    for dashboard in (played.dashboards[uid] for uid in _UIDS):
        [menu] = [one for one in dashboard.links if one.type == "dashboards"]
        offered = {uid for uid in _UIDS if set(menu.tags) <= set(played.dashboards[uid].tags)}
        assert offered == set(_UIDS)
