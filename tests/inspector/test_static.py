"""The scripts in a real browser: live rows, popovers, copying, local times."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from proxy.exchange import Outcome
from tests.inspector.conftest import Sample, sign_in
from tests.inspector.filling import NOW_NS, SECOND, accepted, answered, failed, telling
from tests.inspector.site import Site, serving


def test_new_rows_appear_and_open_ones_are_completed(page: Page, tmp_path: Path) -> None:
    with telling(tmp_path / "data") as told, serving(told.folder) as site:
        first = told.finished(answered(told.id_at(NOW_NS)))
        told.settle(first)
        sign_in(page.context, site)
        page.goto(f"{site.base}/requests")
        rows = page.locator("table.log tbody tr")
        expect(rows).to_have_count(1)
        page.locator("details.pop summary").first.click()

        opened = accepted(told.id_at(NOW_NS + SECOND), NOW_NS + SECOND)
        told.opened(opened)
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("open")

        told.finished(failed(opened.request_id, opened.started_ns))
        expect(rows.first).to_contain_text("429 rate_limit_error")
        expect(rows.nth(1)).to_have_id(first)
        expect(page.locator("#sums")).to_contain_text("Failed1")
        expect(rows.nth(1).locator("details.pop").first).to_have_attribute("open", "")

        page.get_by_role("button", name="Pause").click()
        told.settle(told.finished(answered(told.id_at(NOW_NS + 2 * SECOND), NOW_NS + 2 * SECOND)))
        expect(page.locator("#live")).to_contain_text("Paused")
        expect(rows).to_have_count(2)
        page.get_by_role("button", name="Resume").click()
        expect(rows).to_have_count(3)


def test_a_filtered_list_gets_only_what_matches(page: Page, tmp_path: Path) -> None:
    with telling(tmp_path / "data") as told, serving(told.folder) as site:
        told.settle(told.finished(failed(told.id_at(NOW_NS))))
        sign_in(page.context, site)
        page.goto(f"{site.base}/requests?outcome=failed")
        told.settle(
            told.finished(answered(told.id_at(NOW_NS + SECOND), NOW_NS + SECOND)),
            told.finished(answered(told.id_at(NOW_NS + 2 * SECOND), NOW_NS + 2 * SECOND, outcome=Outcome.TRUNCATED)),
        )

        expect(page.locator("table.log tbody tr")).to_have_count(2)
        expect(page.locator("table.log tbody tr").first).to_contain_text("cut off by the upstream")


def test_the_empty_page_waits_for_the_first_request(page: Page, tmp_path: Path) -> None:
    with telling(tmp_path / "data") as told, serving(told.folder) as site:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.base)
        sign_in(page.context, site)
        page.goto(f"{site.base}/requests")
        expect(page.get_by_role("heading", name="Waiting for the first request")).to_be_visible()
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        command = page.evaluate("navigator.clipboard.readText()")

        told.finished(answered(told.id_at(NOW_NS)))

        expect(page.locator("table.log tbody tr")).to_have_count(1)
        expect(page.locator("form.filters")).to_be_visible()
    assert command == "export ANTHROPIC_BASE_URL=http://127.0.0.1:8080"


def test_a_running_request_shows_its_end(page: Page, tmp_path: Path) -> None:
    with telling(tmp_path / "data") as told, serving(told.folder) as site:
        exchange = answered(told.id_at(NOW_NS))
        told.opened(accepted(exchange.request_id))
        sign_in(page.context, site)
        page.goto(f"{site.base}/requests")
        page.get_by_role("link", name="Details").click()
        expect(page.get_by_text("Still running.")).to_be_visible()

        told.finished(exchange)

        expect(page.get_by_text("Still running.")).to_have_count(0)
        expect(page.locator(".badge")).to_contain_text("200 ok")


def test_times_are_local_in_lists_and_filters(page: Page, site: Site, sample: Sample) -> None:
    sign_in(page.context, site)
    page.goto(f"{site.base}/requests?from=2026-11-21T12:00:00Z&model=sonnet")

    newest = page.locator("table.log time").first
    expect(newest).to_have_attribute("title", "2026-11-21 12:52:31.000 UTC")
    expect(newest).to_contain_text("13:52:31")
    expect(page.locator("input[name=from]")).to_have_value(re.compile("2026-11-21T13:00"))
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/requests?model=sonnet&from=2026-11-21T12%3A00%3A00.000Z")
    expect(page.locator("table.log time").first).to_contain_text("13:52:31")


def test_popovers_open_by_hovering_and_close_by_escape(page: Page, site: Site, sample: Sample) -> None:
    """S2-13, S2-18 … S2-24"""
    sign_in(page.context, site)
    page.goto(f"{site.base}/requests")
    row = page.locator(f"#{sample.ids['gzip']}")
    row.locator("details.hover summary").hover()
    expect(row.get_by_text("Included in your subscription usage - no separate charge.")).to_be_visible()
    page.get_by_role("heading", name="Requests").hover()
    expect(row.get_by_text("Included in your subscription usage - no separate charge.")).to_be_hidden()
    tokens = row.locator("details.pop:not(.hover)")
    tokens.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(row.get_by_text("input_cache_write_1_h", exact=True).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(row.get_by_text("input_cache_write_1_h", exact=True).first).to_be_hidden()
    expect(tokens.locator("summary")).to_be_focused()
