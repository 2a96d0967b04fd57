"""Ways on from a panel lead somewhere."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import msgspec
import pytest

from dashboards import links
from dashboards.signals import logged
from tests.dashboards.walking import Link, Matcher, dashboards, plots, texts

FILTER = re.compile(r"\$\{(\w+):queryparam\}|&var-(\w+)=")
OF_ALL = "Requests of all"
NARROWED = re.compile(r"&var-(\w+)=\$\{__field\.labels\.(?:key|organization|session_id|workflow|model|error_type):")


def test_links_lead_to_dashboards_that_exist() -> None:
    uids = {each.uid for each in dashboards()}
    for uid, text in texts().items():
        assert set(re.findall(r"/d/([\w-]+)", text)) <= uids, uid


def test_links_between_dashboards_keep_time_and_filters() -> None:
    for text in texts().values():
        for title, url in re.findall(r'"title": "([^"]*)"(?:,\s+"t\w+": "[^"]*")*,\s+"url": "(/d/[^"]*)"', text):
            assert "${__url_time_range}" in url
            if title != OF_ALL:
                assert "${__all_variables}" in url or {"organization", "endpoint", "model"} <= filters_in(url)


def test_a_trace_opens_in_explore_on_the_chosen_tempo() -> None:
    url = links.trace().build().url
    assert url is not None
    panes = json.loads(unquote(url.partition("panes=")[2]))
    [query] = panes["a"]["queries"]
    assert (panes["a"]["datasource"], query["query"]) == ("${tempo}", "${__value.raw}")


def test_narrower_filters_go_along_to_the_requests() -> None:
    url = links.requests(model="${__field.labels.model}").build().url
    assert url is not None
    assert url.endswith("&var-model=${__field.labels.model}")


def test_a_filter_that_is_narrowed_is_not_kept_as_well() -> None:
    """Grafana takes All where an address names it beside another value of the same variable."""
    url = links.requests(kept=("endpoint", "session"), session="${__field.labels.session_id}").build().url
    assert url is not None
    kept = url.partition("&")[2]
    assert kept == "${endpoint:queryparam}&var-session=${__field.labels.session_id}"


@pytest.mark.parametrize("name", [name for name, panel in plots() if NARROWED.search(str(panel.field_config.defaults))])
def test_a_value_that_no_line_has_leads_to_the_requests_of_all(name: str) -> None:
    """Lines that lack a field are `(none)` in sums; metrics call every model without a price `other`."""
    panel = dict(plots())[name]
    [source] = {target.datasource.type for target in panel.targets}
    unknown = "other" if source == "prometheus" else "(none)"
    [override] = [
        one for one in panel.field_config.overrides if one.matcher == Matcher("byRegexp", f"/^{re.escape(unknown)}$/")
    ]
    [link] = msgspec.convert(override.properties[0]["value"], list[Link])
    [usual] = panel.field_config.defaults.links
    [narrowed] = NARROWED.findall(usual.url)
    assert override.properties[0]["id"] == "links"
    assert f"{link.url}&var-{narrowed}=" == usual.url.partition("$" + "{__field")[0]


def test_requests_without_a_status_are_found_by_the_name_that_metrics_give_them() -> None:
    assert logged.NARROWED.index('default "none" .status') < logged.NARROWED.index('status=~"$status"')


def test_several_values_go_to_explore_as_a_regular_expression() -> None:
    url = links.logs('{a="b"} | model=~"$model" | session=~`${session:regex}`').build().url
    assert url is not None
    [query] = json.loads(unquote(url.partition("panes=")[2]))["a"]["queries"]
    assert query["expr"] == '{a="b"} | model=~"${model:pipe}" | session=~`${session:regex}`'


def filters_in(url: str) -> set[str]:
    return {name for names in FILTER.findall(url) for name in names}
