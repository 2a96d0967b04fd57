"""Guessing at secrets."""

from __future__ import annotations

from proxy.inspector.guesses import MOST_FAILURES, WINDOW_S, Guesses
from tests.inspector.conftest import Sample
from tests.inspector.site import TOKEN, serving


def test_many_failures_of_one_address_make_it_wait_and_nobody_else() -> None:
    """H19"""
    now = [1000.0]
    guesses = Guesses(lambda: now[0])
    for _ in range(MOST_FAILURES + 1):
        assert guesses.wait("10.0.0.7") is None
        guesses.failed("10.0.0.7")
    assert guesses.wait("10.0.0.7") == WINDOW_S
    assert guesses.wait("10.0.0.8") is None
    now[0] += WINDOW_S
    assert guesses.wait("10.0.0.7") is None


def test_failures_that_are_far_apart_never_add_up() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    for _ in range(1_000):
        now[0] += WINDOW_S / (MOST_FAILURES - 2)
        guesses.failed("10.0.0.7")
        assert guesses.wait("10.0.0.7") is None


def test_addresses_are_forgotten_before_they_fill_the_memory() -> None:
    guesses = Guesses(lambda: 0.0)
    for number in range(3_000):
        guesses.failed(str(number))
    assert len(guesses._failures) == 1_000


def test_guessing_is_stopped_and_a_right_token_is_let_in_all_the_same(sample: Sample) -> None:
    """H19: a scraper behind the same reverse proxy as the guesser must not lose its scrapes."""
    with serving(sample.folder) as site, site.client(token=None) as client, site.client() as scraper:
        origin = {"origin": site.base}
        with site.client(token="wrong-token-0123456789") as guesser:
            answers = [guesser.get("/api/v1/exchanges") for _ in range(MOST_FAILURES + 5)]
            assert [answer.status_code for answer in answers] == [401] * MOST_FAILURES + [429] * 5
            assert int(answers[-1].headers["retry-after"]) > 0
            assert scraper.get("/api/v1/exchanges").status_code == 200
            assert guesser.get("/api/v1/exchanges").status_code == 429
        assert len(site.failures) == MOST_FAILURES + 6
        wrong = client.post("/sign-in", headers=origin, data={"token": "wrong"})
        spent = client.get("/sign-in", params={"code": "wrong"})
        assert (wrong.status_code, spent.status_code) == (429, 429)
        assert client.post("/sign-in", headers=origin, data={"token": TOKEN}).status_code == 303
        assert client.get("/requests").status_code == 200


def test_a_right_link_signs_in_while_someone_guesses(sample: Sample) -> None:
    """H19"""
    with serving(sample.folder) as site, site.client(token=None) as client:
        for _ in range(MOST_FAILURES + 1):
            client.get("/sign-in", params={"code": "wrong"})
        assert client.get("/sign-in", params={"code": "wrong"}).status_code == 429
        assert client.get(site.link).status_code == 200
        assert client.get("/requests").status_code == 200
