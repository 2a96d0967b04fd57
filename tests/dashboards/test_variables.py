"""Variables: what is used is declared, what is declared is used, and none is ever empty (D-5, D-7, D-11)."""

from __future__ import annotations

import re

import pytest

from tests.dashboards.walking import Dashboard, Variable, dashboards, referenced, texts

HIDDEN = 2


@pytest.fixture(params=[pytest.param(each, id=each.uid) for each in dashboards()])
def page(request: pytest.FixtureRequest) -> Dashboard:
    """Each dashboard."""
    found: Dashboard = request.param
    return found


def test_what_a_page_refers_to_it_declares_and_what_it_declares_it_uses(page: Dashboard) -> None:
    assert referenced(texts()[page.uid]) == {variable.name for variable in page.variables}


def test_data_sources_are_variables_that_begin_as_the_provisioned_ones(page: Dashboard) -> None:
    """S4-8, D-12"""
    text = texts()[page.uid]
    assert set(re.findall(r'"uid": "([^"]*)"', text)) - {page.uid} <= {
        f"${{{name}}}" for name in ("prometheus", "loki")
    }
    sources = {variable.name: variable.current.value for variable in page.variables if variable.type == "datasource"}
    assert sources == {name: name for name in sources}
    assert {"prometheus", "loki"} <= sources.keys()


def test_a_filter_lets_everything_pass_while_nothing_is_chosen_or_there_is_nothing_to_choose(page: Dashboard) -> None:
    for variable in filters(page):
        assert (variable.current.value, variable.include_all, variable.all_value) == ("$__all", True, ".*")


def test_hidden_variables_are_computed_and_never_taken_from_a_link(page: Dashboard) -> None:
    for variable in page.variables:
        assert variable.skip_url_sync is (variable.hide == HIDDEN), variable.name


@pytest.mark.parametrize(("uid", "age"), [("anthropic-proxy-windows", "window"), ("anthropic-proxy-limits", "account")])
def test_the_age_of_a_window_is_its_length_until_it_is_known(uid: str, age: str) -> None:
    """D-5, D-11: whole seconds, whatever the answer."""
    [page] = [page for page in dashboards() if page.uid == uid]
    ages = {variable.name: variable for variable in page.variables if variable.name.startswith(f"{age}_age_")}
    assert {name: variable.current.value for name, variable in ages.items()} == {
        f"{age}_age_5h": "18000",
        f"{age}_age_7d": "604800",
    }
    for variable in ages.values():
        pattern = re.compile(variable.regex.strip("/"))
        found = [pattern.fullmatch(f"{{}} {value} 1786553400000") for value in ("600", "600.5", "1")]
        assert [match[1] for match in found if match] == ["600", "600", "1"]


def filters(page: Dashboard) -> list[Variable]:
    return [variable for variable in page.variables if variable.type == "query" and variable.hide != HIDDEN]
