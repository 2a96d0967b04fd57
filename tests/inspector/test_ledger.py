from __future__ import annotations

import pytest

from proxy.inspector.filters import view
from proxy.inspector.ledger import Ledger
from proxy.ledger.errors import QueryTimeout
from tests.inspector.conftest import Sample

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_sums_are_over_everything_that_matches(sample: Sample) -> None:
    sums = Ledger(sample.folder.ledger).sums(view({"outcome": "failed"}, 0))

    assert sums is not None
    assert (sums.requests, sums.errors, sums.output_tokens) == (3, 3, 66)


def test_a_read_that_takes_too_long_is_stopped(sample: Sample) -> None:
    """H11"""
    with pytest.raises(QueryTimeout), Ledger(sample.folder.ledger).read(0.05) as conn:
        conn.execute(ENDLESS).fetchall()


def test_connections_cannot_write(sample: Sample) -> None:
    with Ledger(sample.folder.ledger).read() as conn, pytest.raises(Exception, match="readonly"):
        conn.execute("DELETE FROM exchanges")
