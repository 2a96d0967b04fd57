"""Row I13: each function of the product that a request passes fails in turn, in one running proxy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from proxy.ledger.counters import read_all
from proxy.ledger.folder import Folder
from proxy.ledger.verify import verify
from tests.end_to_end.signals import scraped
from tests.faults.breaking import Breakable, Place
from tests.kit import laws
from tests.kit.process import Proxy, wait
from tests.kit.raw import ask, get, post
from tests.kit.upstream import Talk, Upstream

ANSWERING: tuple[Place, ...] = (
    ("proxy.gate", "check"),
    ("proxy.relay.routes", "Routes.find"),
    ("proxy.relay.headers", "forwarded"),
    ("proxy.relay.upload", "Upload.begin"),
    ("proxy.relay.upstream", "Client.send"),
    ("proxy.relay.download", "give_back"),
)
RECORDING: tuple[Place, ...] = (
    ("proxy.relay.finish", "Finisher.opened"),
    ("proxy.relay.finish", "Finisher.arrived"),
    ("proxy.relay.finish", "Finisher.finished"),
    ("proxy.reading.request", "request_facts"),
    ("proxy.ledger.space", "Space.low"),
)
LOOKING: tuple[Place, ...] = (
    ("proxy.reading.request", "request_facts"),
    ("proxy.reading.response", "reader"),
    ("proxy.reading.ratelimit", "readings"),
    ("proxy.reading.redaction.redactor", "Redactor.headers"),
    ("proxy.reading.redaction.redactor", "Redactor.body"),
)
WRITING: tuple[Place, ...] = (
    ("proxy.ledger.recorder", "Recorder._made"),
    ("proxy.ledger.recorder", "make_ready"),
    ("proxy.ledger.recorder", "write"),
)
SHOWING: dict[Place, str] = {
    ("proxy.inspector.access", "Access.session"): "/requests",
    ("proxy.inspector.listing", "Listing.page"): "/requests",
    ("proxy.inspector.api", "Api.exchanges"): "/api/v1/exchanges",
    ("proxy.inspector.app", "Probes.metrics"): "/metrics",
}
"""With a page that it makes."""


@dataclass
class Broken:
    """A proxy, and its parts that can fail."""

    proxy: Proxy
    parts: Breakable


def script(talk: Talk) -> None:
    """Takes its time with a POST, long enough for an open row, unless it is told otherwise."""
    if talk.seen.line.startswith(b"POST") and not talk.seen.values(b"x-way"):
        time.sleep(0.1)
    talk.answer(b"{}")


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    folder = tmp_path_factory.mktemp("proxy")
    breaks = Breakable(folder / "hook", {*ANSWERING, *RECORDING, *LOOKING, *WRITING, *SHOWING})
    with Upstream(script=script).running() as upstream:
        proxy = Proxy(folder, upstream.url, env=breaks.env)
        with proxy.running():
            yield Broken(proxy, breaks)


@pytest.mark.parametrize("place", ANSWERING, ids=lambda place: place[1])
def test_i13_an_exception_in_any_layer_is_answered_recorded_and_survived(breakable: Broken, place: Place) -> None:
    proxy = breakable.proxy
    number = proxy.pid("relay")
    with breakable.parts.broken(place):
        reply = ask(proxy.base_url, get("/v1/models"))
    assert ask(proxy.base_url, get("/after")).status == 200
    assert (reply.status, reply.value(b"x-proxy-error")) == (500, b"internal")
    error = reply.json()["error"]
    assert isinstance(error, dict)
    assert error["message"].startswith("anthropic-proxy: ")
    assert "fault of the test" not in str(error)
    row = proxy.exchange(reply.request_id)
    assert (row["status"], row["error_type"], row["outcome"]) == (500, "internal", "proxy_error")
    assert proxy.pid("relay") == number
    assert f"a fault of the test in {place[1]}" in proxy.said()
    laws.check(proxy)


@pytest.mark.parametrize("place", RECORDING, ids=lambda place: place[1])
def test_i13_an_exception_while_recording_costs_no_answer_and_no_row(breakable: Broken, place: Place) -> None:
    proxy = breakable.proxy
    with breakable.parts.broken(place):
        reply = ask(proxy.base_url, post("/v1/messages", b'{"model": "m"}'))
        assert (reply.status, reply.body) == (200, b"{}")
        proxy.exchange(reply.request_id)
    after = ask(proxy.base_url, get("/after"))
    assert proxy.exchange(after.request_id)["outcome"] == "ok"
    laws.check(proxy)


def test_d7_each_fault_of_what_looks_is_counted_once_and_told_by_metrics(breakable: Broken) -> None:
    """In test_d_capture, at every single call."""
    proxy = breakable.proxy
    for place in LOOKING:
        before = counted(proxy, "read_errors")
        with breakable.parts.broken(place):
            reply = ask(proxy.base_url, post("/v1/messages", b'{"model": "m"}', "x-way: quick\r\n"))
            assert (reply.status, reply.body) == (200, b"{}")
            proxy.exchange(reply.request_id)
        assert counted(proxy, "read_errors") == before + breakable.parts.raised(place), place
    wait(lambda: told(proxy, "proxy_read_errors_total") == counted(proxy, "read_errors"), "the faults to be told")


@pytest.mark.parametrize("place", SHOWING, ids=lambda place: place[1])
def test_i13_an_exception_of_the_inspector_is_a_sentence_and_the_next_page_is_shown(
    breakable: Broken, place: Place
) -> None:
    proxy, path = breakable.proxy, SHOWING[place]
    stranger = place[1] == "Access.session"
    fields = {} if stranger else {"authorization": f"Bearer {proxy.token}"}
    with breakable.parts.broken(place):
        failed = httpx.get(proxy.inspector_url + path, headers=fields, trust_env=False)
    assert failed.status_code == 500
    assert "The inspector failed at this; its log says more." in failed.text
    assert f"a fault of the test in {place[1]}" in proxy.said()
    with proxy.client() as client:
        assert client.get(path).status_code == 200


def test_i13_exceptions_of_the_recorder_thread_are_counted_and_end_neither_it_nor_a_request(
    breakable: Broken,
) -> None:
    """What it cannot write, for no reason that it knows, is lost and told."""
    proxy = breakable.proxy
    known = told(proxy, "proxy_dropped_total")
    for place in WRITING:
        before = counted(proxy, "records_lost")
        with breakable.parts.broken(place):
            assert [ask(proxy.base_url, get(f"/lost-{number}")).status for number in range(3)] == [200] * 3
            wait(lambda: counted(proxy, "records_lost") == before + 3, "the losses to be counted")  # noqa: B023
        reply = ask(proxy.base_url, get("/after"))
        assert proxy.exchange(reply.request_id)["outcome"] == "ok"
    wait(lambda: told(proxy, "proxy_dropped_total") >= known + 3 * len(WRITING), "the losses to be told")
    assert verify(Folder(proxy.data)) == []


def told(proxy: Proxy, name: str) -> float:
    """The sum of a metric over its labels."""
    series = scraped(proxy.metrics(), health=True) | scraped(proxy.metrics())
    return sum(value for (each, _), value in series.items() if each == name)


def counted(proxy: Proxy, name: str) -> int:
    """A counter of the relay."""
    return sum(each.values[name] for each in read_all(Folder(proxy.data)).values())
