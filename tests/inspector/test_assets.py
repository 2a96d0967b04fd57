from __future__ import annotations

import hashlib

from proxy.inspector.assets import Assets
from tests.inspector.site import Site


def test_files_are_served_open_and_for_ever(site: Site) -> None:
    with site.client(token=None) as client:
        answer = client.get(Assets().address("style.css"))

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_the_address_changes_with_the_content(site: Site) -> None:
    address = Assets().address("live.js")
    with site.client(token=None) as client:
        body = client.get(address).content

    assert address.endswith(hashlib.sha256(body).hexdigest()[:12])


def test_nothing_else_is_served(site: Site) -> None:
    """H13"""
    with site.client() as client:
        assert client.get("/static/nothing.js").status_code == 404
        assert client.get("/static/a/b.js").status_code == 404
