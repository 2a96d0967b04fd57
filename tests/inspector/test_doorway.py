from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.ledger.folder import Folder, prepare
from tests.inspector.site import CODE, TOKEN, Site, serving


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "data")
    prepare(made)
    return made


@pytest.fixture
def fresh(folder: Folder) -> Iterator[Site]:
    with serving(folder) as running:
        yield running


def test_the_printed_link_signs_in_once(fresh: Site) -> None:
    """H8"""
    with fresh.client(token=None) as first, fresh.client(token=None) as second:
        answer = first.get("/sign-in", params={"code": CODE})
        cookie = answer.headers["set-cookie"]
        again = second.get("/sign-in", params={"code": CODE})

        assert answer.status_code == 200
        assert CODE not in answer.text
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert first.get("/requests").status_code == 200
        assert again.status_code == 403
        assert "set-cookie" not in again.headers
    assert fresh.failures == [1]


def test_looking_ahead_does_not_spend_the_link(fresh: Site) -> None:
    with fresh.client(token=None) as client:
        client.head("/sign-in", params={"code": CODE})
        client.get("/sign-in", params={"code": CODE}, headers={"sec-purpose": "prefetch;prerender"})

        assert "set-cookie" in client.get("/sign-in", params={"code": CODE}).headers


def test_the_cookie_survives_a_restart_and_the_code_does_not(folder: Folder) -> None:
    """H8"""
    with serving(folder) as site, site.client(token=None) as client:
        client.get("/sign-in", params={"code": CODE})
        cookies = dict(client.cookies)
    with serving(folder, sign_in_code=None) as site, site.client(token=None) as client:
        client.cookies.update(cookies)

        assert client.get("/requests").status_code == 200
        assert client.get("/sign-in").status_code == 303
        client.cookies.clear()
        assert client.get("/sign-in", params={"code": CODE}).status_code == 403


def test_other_cookies_of_the_host_do_not_matter(fresh: Site) -> None:
    with fresh.client(token=None) as client:
        ours = client.get("/sign-in", params={"code": CODE}).headers["set-cookie"].partition(";")[0]
        client.cookies.clear()

        cookies = f'a={{"json": [1,2]}}; b="; {ours}; =d; c'
        assert client.get("/requests", headers={"cookie": cookies}).status_code == 200


def test_the_form_takes_the_token_and_leads_on(fresh: Site) -> None:
    origin = {"origin": fresh.base}
    with fresh.client(token=None) as client:
        wrong = client.post("/sign-in", headers=origin, data={"token": "nonsense", "next": "/requests?model=x"})
        right = client.post("/sign-in", headers=origin, data={"token": TOKEN, "next": "/requests?model=x"})

        assert (wrong.status_code, right.status_code) == (403, 303)
        assert "That is not the API token." in wrong.text
        assert "nonsense" not in wrong.text
        assert right.headers["location"] == "/requests?model=x"
        assert client.get("/requests").status_code == 200


def test_a_wrong_address_to_go_on_to_is_ignored(fresh: Site) -> None:
    with fresh.client(token=None) as client:
        data = {"token": TOKEN, "next": "//evil.test/"}
        assert client.post("/sign-in", headers={"origin": fresh.base}, data=data).headers["location"] == "/"


def test_signing_out_ends_the_session(fresh: Site) -> None:
    with fresh.client(token=None) as client:
        client.get("/sign-in", params={"code": CODE})
        cookies = dict(client.cookies)
        client.post("/sign-out", headers={"origin": fresh.base})
        client.cookies.update(cookies)

        assert client.get("/requests").status_code == 303


def test_a_huge_form_is_refused(fresh: Site) -> None:
    with fresh.client(token=None) as client:
        answer = client.post("/sign-in", headers={"origin": fresh.base}, data={"token": "x" * 100_000})

    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"a=b&" * 100, b"token=%ff%fe\xff\x00", b"=", b""])
def test_a_form_that_no_page_of_ours_has_sent_is_a_wrong_token(fresh: Site, body: bytes) -> None:
    with fresh.client(token=None) as client:
        answer = client.post("/sign-in", headers={"origin": fresh.base}, content=body)

    assert answer.status_code == 403
    assert "That is not the API token." in answer.text


def test_getting_changes_nothing(fresh: Site, folder: Folder) -> None:
    """H6"""
    with fresh.client() as client:
        for path in ("/", "/requests", "/sign-out", "/sign-in", "/api/v1/exchanges"):
            client.get(path)

    assert not (folder.path / "sessions.json").exists()
