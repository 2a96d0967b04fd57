from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from proxy.ledger.folder import Folder, prepare
from tests.inspector.conftest import Sample
from tests.inspector.site import Site, serving


def test_probes_are_open(site: Site) -> None:
    with site.client(token=None) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ok", "degraded": []}


def test_readiness_names_what_is_degraded(sample: Sample) -> None:
    with serving(sample.folder, degraded=lambda: ["export"]) as site, site.client(token=None) as client:
        answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["degraded"]) == (200, ["export"])


def test_metrics_need_the_token(site: Site) -> None:
    with site.client() as client:
        answer = client.get("/metrics")

    assert (answer.text, answer.headers["content-type"]) == ("up 1\n", "text/plain; version=0.0.4")


def test_a_scrape_can_ask_for_the_health_family_alone(site: Site) -> None:
    with site.client() as client:
        assert client.get("/metrics?family=health").text == "up 1 health\n"
        answer = client.get("/metrics?family=wealth", headers={"accept": "application/json"})
    assert answer.status_code == 400
    assert "family=health" in answer.text


def test_metrics_can_be_open(sample: Sample) -> None:
    def metrics(accept: str, health_only: bool) -> tuple[bytes, str]:
        return accept.encode(), "text/plain"

    with serving(sample.folder, metrics=metrics, metrics_open=True) as site, site.client(token=None) as client:
        assert client.get("/metrics", headers={"accept": "application/openmetrics-text"}).text.startswith(
            "application/open"
        )


def test_the_start_page_is_the_list(site: Site) -> None:
    with site.client() as client:
        assert client.get("/").headers["location"] == "/requests"


@pytest.mark.parametrize("path", ["/nothing", "/requests/px_nothing", "/static/../app.py", "/static/%2e%2e/app.py"])
def test_unknown_places_are_refused(site: Site, path: str) -> None:
    """H13"""
    with site.client() as client:
        answer = client.get(path)

    assert answer.status_code in (404, 400)
    assert "application(" not in answer.text


def test_unknown_api_places_are_404_in_json(site: Site) -> None:
    with site.client() as client:
        answer = client.get("/api/v2/exchanges")

    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found")


def test_foreign_hosts_and_origins_are_stopped_by_the_gate(site: Site) -> None:
    """H7"""
    with site.client() as client:
        assert client.get("/requests", headers={"host": "evil.test"}).status_code >= 400
        assert client.get("/requests", headers={"origin": "http://evil.test"}).status_code == 403


def test_a_ledger_that_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    prepare(folder)
    with serving(folder) as site, site.client() as client:
        folder.ledger.rename(tmp_path / "elsewhere")
        page, api = client.get("/requests"), client.get("/api/v1/exchanges")

    assert (page.status_code, api.status_code) == (503, 503)
    assert "The ledger cannot be read at the moment" in page.text
    assert "Traceback" not in page.text + api.text


def test_pages_never_write_to_the_ledger(sample: Sample, site: Site) -> None:
    """H10"""
    with sqlite3.connect(sample.folder.ledger) as conn:
        before = conn.execute("PRAGMA data_version").fetchone()
        with site.client() as client:
            for path in ("/requests", f"/requests/{sample.ids['stream']}", "/api/v1/exchanges.csv"):
                client.get(path)
        assert conn.execute("PRAGMA data_version").fetchone() == before
