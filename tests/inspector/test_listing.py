from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.ledger.folder import Folder, prepare
from tests.inspector.conftest import Sample
from tests.inspector.site import Site, serving


def rows(text: str) -> list[str]:
    return re.findall(r'<tr id="(px_\w+)"', text)


def test_the_list_shows_every_model_call_and_the_sums(sample: Sample, site: Site) -> None:
    """S0-1 … S0-9"""
    with site.client() as client:
        text = client.get("/requests").text

    assert len(rows(text)) == len(sample.ids) - 1
    assert rows(text)[0] == sample.ids["open"]
    assert "<dt>Requests</dt><dd>9</dd>" in text
    assert "Included in your subscription usage - no separate charge." in text
    assert "claude-mystery-9" in text


def test_filters_live_in_the_address_and_in_the_form(site: Site) -> None:
    query = "model=sonnet&status=4xx&outcome=failed&endpoint=default&from=2026-11-21T12%3A00Z&session_id=6f0b"
    with site.client() as client:
        text = client.get(f"/requests?{query}").text

    assert 'value="sonnet"' in text
    assert "<option selected>4xx</option>" in text
    assert "<option selected>failed</option>" in text
    assert 'value="2026-11-21T12:00:00"' in text
    assert 'name="session_id" value="6f0b"' in text
    assert 'href="/requests?model=sonnet&amp;status=4xx&amp;' in text or "outcome=failed" in text


def test_an_age_stays_an_age(site: Site) -> None:
    with site.client() as client:
        text = client.get("/requests?from=24h").text

    assert 'name="from" value="24h"' in text


def test_failures_are_one_click_away(sample: Sample, site: Site) -> None:
    """S0-29"""
    with site.client() as client:
        first = client.get("/requests").text
        link = re.search(r'<a class="failures" href="([^"]+)"', first)
        assert link is not None
        failed = client.get(link[1].replace("&amp;", "&")).text

    assert rows(failed) == [sample.ids[name] for name in ("left", "instream", "error")]
    assert 'class="error"' in failed


def test_older_and_newer_pages_meet(sample: Sample, site: Site) -> None:
    with site.client() as client:
        first = client.get("/requests?limit=4").text
        older = re.search(r'href="(/requests[^"]+before=[^"]+)"', first)
        assert older is not None
        second = client.get(older[1].replace("&amp;", "&")).text
        newer = re.search(r'href="(/requests[^"]+after=[^"]+)" rel="prev"', second)
        assert newer is not None
        back = client.get(newer[1].replace("&amp;", "&"))

    assert not set(rows(first)) & set(rows(second))
    assert back.headers["location"] == "/requests?limit=4"


def test_an_id_leads_to_its_request(sample: Sample, site: Site) -> None:
    """S2-5"""
    with site.client() as client:
        found = client.get("/requests", params={"request_id": f"req_{sample.ids['json'][-12:]}"})
        lost = client.get("/requests", params={"request_id": "req_none"})

    assert found.headers["location"] == f"/requests/{sample.ids['json']}"
    assert "No request matches" in lost.text


def test_rows_are_sent_again_only_when_they_differ(site: Site) -> None:
    with site.client() as client:
        first = client.get("/requests/rows")
        second = client.get("/requests/rows", headers={"if-none-match": first.headers["etag"]})

    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")
    assert "<html" not in first.text


@pytest.mark.parametrize("query", ["limit=x", "status=teapot", "before=%27", "from=soon"])
def test_nonsense_is_said_on_the_page(site: Site, query: str) -> None:
    """H10, H11"""
    with site.client() as client:
        answer = client.get(f"/requests?{query}")

    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_the_empty_page_gives_the_command(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    prepare(folder)
    urls = {"default": "http://127.0.0.1:9/", "production": "http://127.0.0.1:9/production"}
    with serving(folder, base_urls=urls) as site, site.client() as client:
        text = client.get("/requests").text

    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:9/production" in text
    assert "Waiting for the first request" in text
    assert '<noscript><meta http-equiv="refresh"' in text
