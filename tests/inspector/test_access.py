from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from proxy.inspector.access import from_same_origin, is_for_programs, local_path
from tests.inspector.site import Site


@pytest.mark.parametrize(
    "path", ["/api/v1/exchanges", "/api/v1/exchanges/x", "/api/nothing", "/openapi.json", "/metrics"]
)
def test_programs_without_a_token_get_401_as_json(site: Site, path: str) -> None:
    with site.client(token=None) as client:
        answer = client.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["type"] == "unauthorized"


@pytest.mark.parametrize("path", ["/", "/requests", "/requests/px_1", "/requests/rows", "/nothing"])
def test_people_who_are_not_signed_in_are_sent_to_the_sign_in_page(site: Site, path: str) -> None:
    with site.client(token=None) as client:
        answer = client.get(path, params={"model": "a b"})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=%2F")
    assert "px_" not in answer.text


def test_a_wrong_token_is_refused_and_counted(site: Site) -> None:
    before = len(site.failures)
    with site.client(token="wrong-token-0123456789") as client:
        assert client.get("/api/v1/exchanges").status_code == 401
        assert client.get("/requests").status_code == 401

    assert len(site.failures) == before + 2


def test_the_token_opens_pages_and_api(site: Site) -> None:
    with site.client() as client:
        assert client.get("/requests").status_code == 200
        assert client.get("/api/v1/exchanges").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "{base}", "sec-fetch-site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-out", "/sign-in"])
def test_acts_must_come_from_a_page_of_the_inspector(site: Site, path: str, headers: dict[str, str]) -> None:
    """H6"""
    sent = {name: value.format(base=site.base) for name, value in headers.items()}
    with site.client(token=None) as client:
        answer = client.post(path, headers=sent, data={"token": "x"})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"host": "a:1", "origin": "http://a:1"}, True),
        ({"host": "a:1", "origin": "http://A:1", "sec-fetch-site": "same-origin"}, True),
        ({"host": "a:1", "sec-fetch-site": "same-origin"}, True),
        ({"host": "a:1", "origin": "http://a:2"}, False),
        ({"host": "a:1", "origin": "http://["}, False),
        ({"host": "", "origin": ""}, False),
        ({"host": "a:1"}, False),
    ],
)
def test_the_origin_is_judged_by_what_the_browser_says(headers: dict[str, str], own: bool) -> None:
    assert from_same_origin(Headers(headers)) is own


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/requests?model=a", "/requests?model=a"), ("//evil.test", "/"), ("/\\evil.test", "/"),
        ("https://evil.test", "/"), ("/sign-in?next=x", "/"), ("/a\nb", "/"), ("/é", "/"), ("", "/"),
    ],
)  # fmt: skip
def test_signing_in_leads_nowhere_else(text: str, path: str) -> None:
    assert local_path(text) == path


def test_every_answer_has_the_security_headers(site: Site) -> None:
    """H3"""
    with site.client() as client:
        for path in (
            "/requests",
            "/nothing",
            "/api/v1/exchanges",
            "/healthz",
            "/sign-in",
            "/static/style.css",
            "/metrics",
        ):
            headers = client.get(path).headers
            assert headers["content-security-policy"] == (
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
                "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            )
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cache-control"] in ("no-store", "public, max-age=31536000, immutable")


def test_programs_are_told_from_people_by_the_path() -> None:
    assert is_for_programs("/api/v1/x")
    assert not is_for_programs("/requests")
