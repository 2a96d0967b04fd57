"""The grid, and what all pages share (D-1, D-12)."""

from __future__ import annotations

import pytest

from dashboards.house import note
from dashboards.page import band
from tests.dashboards.walking import dashboards

UIDS = {
    "anthropic-proxy-overview",
    "anthropic-proxy-windows",
    "anthropic-proxy-requests",
    "anthropic-proxy-cost",
    "anthropic-proxy-limits",
    "anthropic-proxy-health",
}


def test_every_page_is_there_under_its_uid_beside_the_reference() -> None:
    """S4-1: the reference keeps the uid `anthropic-proxy`."""
    assert {each.uid for each in dashboards()} == UIDS
    assert len({each.title for each in dashboards()}) == len(UIDS)


def test_panels_fill_the_grid_without_overlap_or_hole() -> None:
    """D-1"""
    for each in dashboards():
        cells = [cell for panel in each.panels for cell in panel.grid_pos.cells]
        height = 1 + max(y for _, y in cells)
        assert len(cells) == len(set(cells)), f"{each.title}: panels overlap"
        assert set(cells) == {(x, y) for x in range(24) for y in range(height)}, f"{each.title} has a hole"


def test_a_band_that_does_not_fill_the_width_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fill 24 columns"):
        list(band(4, note("One", "", ""), note("Two", "", ""), widths=(10, 10)).placed(0))


def test_ids_and_titles_are_unique_and_an_id_follows_from_the_title() -> None:
    """D-12: links to a panel hold wherever it is moved."""
    for each in dashboards():
        assert len({panel.id for panel in each.panels}) == len(each.panels), each.title
        assert len({panel.title for panel in each.plots}) == len(each.plots), each.title
    by_title = {(panel.title, panel.type == "row", panel.id) for each in dashboards() for panel in each.panels}
    assert len(by_title) == len({(title, row) for title, row, _ in by_title})


def test_pages_share_their_settings() -> None:
    """S4-2 to S4-7, and nobody edits what is generated."""
    for each in dashboards():
        assert (each.editable, each.refresh, each.timezone, each.graph_tooltip) == (False, "30s", "browser", 1)
        assert (each.time.from_, each.time.to) == ("now-6h", "now")
        assert each.tags == ["anthropic-proxy", "otel"]
        assert len(each.description) > 20
        assert [mark.name for mark in each.annotations.list] == ["429 Rate Limits", "Cooldowns"]
