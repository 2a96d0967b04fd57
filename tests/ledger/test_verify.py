"""Each kind of fault, planted from outside, is found; nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.exchange import Hop
from proxy.ledger import processes
from proxy.ledger.changes import Body, Finished, Opened
from proxy.ledger.folder import Folder
from proxy.ledger.verify import verify
from tests.ledger.samples import alter, body, closed, finished, opened, request_id, store

_FIRST = f"request_id = '{request_id(1)}'"
_UNIQUE = "DROP INDEX journal_finished"


@pytest.fixture
def _three(folder: Folder) -> None:
    store(folder, finished(1), finished(2), finished(3))


def _laws(folder: Folder) -> list[tuple[str, str]]:
    return [(finding.law, finding.subject) for finding in verify(folder)]


@pytest.mark.usefixtures("_three")
def test_sound_ledger_has_no_findings(folder: Folder) -> None:
    assert verify(folder) == []


def test_open_exchange_of_a_living_process_is_no_fault(folder: Folder) -> None:
    """L1."""
    store(folder, Opened(opened(1)))
    assert _laws(folder) == [("L1", request_id(1))]
    with processes.hold(folder, "p1"):
        assert verify(folder) == []


@pytest.mark.usefixtures("_three")
@pytest.mark.parametrize(
    ("faults", "found"),
    [
        ([f"DELETE FROM journal WHERE {_FIRST}"], [("L2", request_id(1)), ("L3", "2")]),
        (["DELETE FROM journal WHERE seq = 3"], [("L2", request_id(3)), ("L3", "3")]),
        (
            [_UNIQUE, f"INSERT INTO journal VALUES (4, 9e18, 'finished', '{request_id(1)}')"],
            [("L2", request_id(1))],
        ),
        (["INSERT INTO journal VALUES (4, 9e18, 'finished', 'px_nobody')"], [("L2", "px_nobody")]),
        (["UPDATE journal SET commit_ns = 1 WHERE seq = 2"], [("L3", "2")]),
        (["INSERT INTO cursors VALUES ('logs', 4, 0)"], [("L3", "logs")]),
        (
            [
                "INSERT INTO cursors VALUES ('logs', 1, 0)",
                f"INSERT INTO dead_letters VALUES (1, 'logs', 2, '{request_id(2)}', 'r', NULL, 1)",
            ],
            [("L3", request_id(2))],
        ),
        (
            [
                "INSERT INTO cursors VALUES ('logs', 3, 0)",
                f"INSERT INTO dead_letters VALUES (1, 'logs', 2, '{request_id(3)}', 'r', NULL, 1)",
            ],
            [("L3", request_id(3))],
        ),
        (["UPDATE bodies SET data = x'00', codec = 'zstd' WHERE id = 1"], [("body", "bodies 1")]),
        (["UPDATE bodies SET data = 'other', codec = 'raw' WHERE id = 1"], [("body", "bodies 1")]),
        (["UPDATE bodies SET data = substr(data, 1, length(data) - 3) WHERE id = 1"], [("body", "bodies 1")]),
        (
            [f"UPDATE exchange_bodies SET sha256 = 'ab' WHERE {_FIRST} AND hop = 'client_request'"],
            [("body", request_id(1))],
        ),
        (
            [f"UPDATE exchange_bodies SET size = 3 WHERE {_FIRST} AND hop = 'client_request'"],
            [("body", request_id(1))],
        ),
        (
            [f"UPDATE exchange_bodies SET body = NULL WHERE {_FIRST} AND hop = 'client_request'"],
            [("body", "bodies 1"), ("body", request_id(1))],
        ),
        (
            [f"DELETE FROM exchange_bodies WHERE {_FIRST} AND hop = 'client_request'"],
            [("body", "bodies 1")],
        ),
        (
            [f"INSERT INTO exchange_bodies VALUES ('{request_id(1)}', 'x', NULL, 'nowhere', 0, NULL, NULL, 0, NULL)"],
            [("body", request_id(1))],
        ),
        ([f"DELETE FROM exchanges WHERE {_FIRST}"], [("integrity", "attempts"), ("L2", request_id(1))]),
        (["UPDATE facets SET requests = 2 WHERE facet = 'outcome'"], [("facets", "outcome")]),
    ],
)
def test_planted_fault_is_found(folder: Folder, faults: list[str], found: list[tuple[str, str]]) -> None:
    alter(folder, *faults)
    laws = _laws(folder)
    assert set(found) <= set(laws)
    assert {law for law, _ in laws} == {law for law, _ in found}


@pytest.mark.usefixtures("_three")
def test_exchange_opened_again_is_found(folder: Folder) -> None:
    alter(folder, f"UPDATE exchanges SET outcome = NULL WHERE {_FIRST}")
    assert ("L2", request_id(1)) in _laws(folder)
    assert ("L1", request_id(1)) in _laws(folder)


def test_masked_or_cut_body_may_differ_from_the_wire(folder: Folder) -> None:
    stored = {
        1: Body([b"masked"], 90, "ab", redacted=True),
        2: Body([b"head"], 90, "ab", "too_large"),
        3: Body([], 90, "ab", "off"),
        4: body(b""),
    }
    store(folder, *(Finished(closed(number), bodies={Hop.CLIENT_REQUEST: each}) for number, each in stored.items()))
    redacted = Finished(replace(closed(5), redacted=True), bodies={Hop.CLIENT_REQUEST: Body([b"masked too"], 90, "ab")})
    store(folder, redacted)
    assert verify(folder) == []


@pytest.mark.usefixtures("_three")
def test_damaged_pages_are_a_finding_and_no_crash(folder: Folder) -> None:
    content = bytearray(folder.ledger.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    folder.ledger.write_bytes(content)
    assert "integrity" in {finding.law for finding in verify(folder)}


def test_many_faults_of_one_kind_are_cut_short(folder: Folder) -> None:
    store(folder, *(Opened(opened(number)) for number in range(150)))
    assert len(verify(folder)) == 100
