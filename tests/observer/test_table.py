"""The table of totals: drafts, and the way to the ledger and back."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path

from proxy.ledger import totals as stored
from proxy.ledger.connect import transaction, writer
from proxy.names import metrics
from proxy.names.metrics import Channel
from proxy.observer import table
from proxy.observer.table import Exemplar, Series, Table
from tests.observer.samples import ledger


def shown(one: Table) -> list[tuple[str, dict[str, str | int | float], object, list[int]]]:
    return [(each.instrument.name, each.named_labels, each.value, each.buckets) for each in one.snapshot()]


def test_a_draft_counts_only_when_committed() -> None:
    one = Table()
    draft = one.draft(5)
    draft.add(metrics.UNPRICED, 2, "other")
    assert shown(one) == []
    one.commit(draft)
    assert shown(one) == [("proxy.unpriced.requests", {"model": "other"}, 2, [])]
    thrown_away = one.draft(6)
    thrown_away.add(metrics.UNPRICED, 40, "other")
    assert shown(one)[0][2] == 2
    again = one.draft(7)
    again.add(metrics.UNPRICED, 1, "other")
    one.commit(again)
    assert [(each.value, each.started_ns) for each in one.snapshot()] == [(3, 5)]


def test_a_value_on_a_bound_is_in_the_bucket_below() -> None:
    one = Table()
    draft = one.draft(1)
    draft.observe(metrics.LEDGER_COMMIT, [0.25, 0.26, 250, None, 251])
    draft.observe(metrics.LEDGER_COMMIT, [None])
    one.commit(draft)
    assert shown(one) == [("proxy.ledger.commit_ms", {}, 501.51, [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1])]


def test_the_latest_exemplar_of_a_bucket_stays() -> None:
    one = Table()
    draft = one.draft(1)
    origins = [Exemplar(trace_id, 1, 1) for trace_id in (10, 11, 12)]
    draft.observe(metrics.LEDGER_COMMIT, [0.8], origins=[Exemplar(9, 1, 1)])
    draft.observe(metrics.LEDGER_COMMIT, [1.0, 0.9, 600.0], origins=origins)
    one.commit(draft)
    assert one.snapshot()[0].exemplars == {2: (0.9, Exemplar(11, 1, 1)), 10: (600.0, Exemplar(12, 1, 1))}


def test_made_up_counts_end_where_the_ledger_does(tmp_path: Path) -> None:
    one = Table()
    for _ in range(2):
        draft = one.draft(1)
        draft.add(metrics.TOKENS_INPUT, 2**63 - 1, "default", None)
        draft.observe(metrics.REQUEST_BODY_SIZE, [2**63 - 1], "default")
        with closing(writer(ledger(tmp_path).ledger)) as conn, transaction(conn):
            table.save(conn, draft)
        one.commit(draft)
    assert [each.value for each in one.snapshot()] == [2**63 - 1] * 2


def test_one_channel_can_be_looked_at_alone() -> None:
    one = Table()
    draft = one.draft(1)
    draft.add(metrics.UNPRICED, 1, "a")
    draft.add(metrics.READ_ERRORS, 1)
    one.commit(draft)
    assert [each.instrument for each in one.snapshot(Channel.HEALTH)] == [metrics.READ_ERRORS]
    assert [each.instrument for each in one.snapshot()] == [metrics.READ_ERRORS, metrics.UNPRICED]


def test_labels_that_are_not_known_are_absent() -> None:
    assert Series(metrics.TOKENS_CACHE_CREATION, ("default", None, "5m"), 1).named_labels == {
        "endpoint": "default",
        "ttl": "5m",
    }


def test_the_ledger_gives_back_what_it_was_given(tmp_path: Path) -> None:
    one = Table()
    draft = one.draft(1_795_000_000_000_000_001)
    draft.add(metrics.COST, Decimal("0.1"), "default", "claude-sonnet-4-6", "free")
    draft.add(metrics.COST, Decimal("0.2"), "default", "claude-sonnet-4-6", "free")
    draft.add(metrics.TOKENS_INPUT, 2**60, "default", None)
    draft.observe(metrics.GENAI_DURATION, [1.5], "chat", "anthropic", None, None, "api.anthropic.com", 443, None)
    draft.put(metrics.KEY_INFO, 1, "caller-ab", None, "acme")
    one.commit(draft)
    with closing(writer(ledger(tmp_path).ledger)) as conn:
        with transaction(conn):
            table.save(conn, draft)
        found = table.load(conn)
    assert shown(found) == shown(one)
    assert [each.started_ns for each in found.snapshot()] == [1_795_000_000_000_000_001] * 4
    cost = next(each for each in found.snapshot() if each.instrument is metrics.COST)
    assert cost.value == Decimal("0.3")


def test_series_that_no_longer_fit_are_left_behind(tmp_path: Path) -> None:
    with closing(writer(ledger(tmp_path).ledger)) as conn:
        with transaction(conn):
            stored.save(
                conn,
                [
                    stored.Total("proxy.gone", (), 1, 1),
                    stored.Total("proxy.unpriced.requests", (("colour", "red"),), 1, 1),
                    stored.Total("proxy.request.body_size", (("endpoint", "default"),), 1, 1, (1, 2)),
                    stored.Total("proxy.unpriced.requests", (("model", "other"),), 4, 1),
                ],
            )
        assert shown(table.load(conn)) == [("proxy.unpriced.requests", {"model": "other"}, 4, [])]


def test_values_of_a_label_are_found_wherever_it_stands() -> None:
    one = Table()
    draft = one.draft(1)
    draft.add(metrics.UNPRICED, 1, "a")
    draft.add(metrics.TOKENS_INPUT, 1, "default", "b")
    one.commit(draft)
    assert sorted(str(value) for value in one.values("model")) == ["a", "b"]


def test_a_full_instrument_overflows_into_one_series_that_survives_a_restart(tmp_path: Path) -> None:
    conn = writer(ledger(tmp_path).ledger)
    with closing(conn):
        for rounds in (1, 2):
            one = table.load(conn, limit=2)
            draft = one.draft(rounds)
            for model in ("a", "b", "c", "d"):
                draft.add(metrics.UNPRICED, 1, model)
            with transaction(conn):
                table.save(conn, draft)
            one.commit(draft)
    assert shown(one) == [
        ("proxy.unpriced.requests", {"otel.metric.overflow": True}, 4, []),
        ("proxy.unpriced.requests", {"model": "a"}, 2, []),
        ("proxy.unpriced.requests", {"model": "b"}, 2, []),
    ]
