"""`/healthz` and `/readyz` of the relay."""

from __future__ import annotations

from proxy.relay.probes import Readiness
from tests.kit.raw import get
from tests.relay.conftest import Relayed


def test_trouble_with_observing_degrades_but_stays_ready() -> None:
    readiness = Readiness(lambda: ["ledger_busy"])
    assert readiness.answer(b"/readyz") == (200, {"status": "degraded", "degraded": ["ledger_busy"]})
    assert readiness.answer(b"/healthz") == (200, {"status": "ok"})


def test_a_draining_relay_is_not_ready_but_alive() -> None:
    """I1"""
    readiness = Readiness(list)
    readiness.draining = True
    assert readiness.answer(b"/readyz") == (503, {"status": "draining"})
    assert readiness.answer(b"/healthz")[0] == 200


def test_probes_are_answered_here_and_are_no_records(relayed: Relayed) -> None:
    before = len(relayed.proxy.rows())
    assert relayed.ask(get("/healthz", host="10.1.2.3")).json() == {"status": "ok"}
    assert relayed.ask(get("/readyz", method="HEAD")).status == 200
    assert relayed.upstream.seen == []
    assert len(relayed.proxy.rows()) == before


def test_a_post_to_a_probes_path_is_an_ordinary_request(relayed: Relayed) -> None:
    relayed.ask(get("/healthz", method="POST"))
    assert relayed.last.line == b"POST /healthz HTTP/1.1"
