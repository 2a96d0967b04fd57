"""Guessing at secrets."""

from __future__ import annotations

from proxy.inspector.guesses import MOST_FAILURES, WINDOW_S, Guesses
from tests.inspector.conftest import Sample
from tests.inspector.site import TOKEN, serving


def test_many_failures_of_one_address_make_it_wait_and_nobody_else() -> None:
    """H19"""
    now = [1000.0]
    guesses = Guesses(lambda: now[0])
    for _ in range(MOST_FAILURES):
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


def test_guessing_is_stopped_and_those_who_are_signed_in_go_on(sample: Sample) -> None:
    """H19: a right token is not even looked at meanwhile, or guessing would still find it."""
    with serving(sample.folder) as site, site.client(token=None) as client:
        origin = {"origin": site.base}
        client.post("/sign-in", headers=origin, data={"token": TOKEN})
        with site.client(token="wrong-token-0123456789") as guesser:
            answers = [guesser.get("/api/v1/exchanges").status_code for _ in range(MOST_FAILURES + 5)]
        assert answers[-1] == 429
        assert client.get("/requests").status_code == 200
        late = client.post("/sign-in", headers=origin, data={"token": TOKEN})
        assert (late.status_code, int(late.headers["retry-after"]) > 0) == (429, True)
