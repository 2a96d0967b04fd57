"""Ways on from a panel lead somewhere."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

from dashboards import links
from tests.dashboards.walking import dashboards, texts

FILTER = re.compile(r"\$\{(\w+):queryparam\}|&var-(\w+)=")


def test_links_lead_to_dashboards_that_exist() -> None:
    uids = {each.uid for each in dashboards()}
    for uid, text in texts().items():
        assert set(re.findall(r"/d/([\w-]+)", text)) <= uids, uid


def test_links_between_dashboards_keep_time_and_filters() -> None:
    for text in texts().values():
        for url in re.findall(r'"(/d/[^"]*)"', text):
            assert "${__url_time_range}" in url
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
    url = links.requests_of("session_id", "session", kept=("endpoint", "session")).build().url
    assert url is not None
    kept = url.partition("&")[2]
    assert kept == "${endpoint:queryparam}&var-session=${__field.labels.session_id:percentencode}"


def test_several_values_go_to_explore_as_a_regular_expression() -> None:
    url = links.logs('{a="b"} | model=~"$model" | session=~`${session:regex}`').build().url
    assert url is not None
    [query] = json.loads(unquote(url.partition("panes=")[2]))["a"]["queries"]
    assert query["expr"] == '{a="b"} | model=~"${model:pipe}" | session=~`${session:regex}`'


def filters_in(url: str) -> set[str]:
    return {name for names in FILTER.findall(url) for name in names}
