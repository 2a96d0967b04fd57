"""The demo as a newcomer starts it: no key, no network, and soon there is something to look at."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.kit import laws
from tests.kit.process import Proxy, wait

NOWHERE = "http://no-such-host.invalid"
"""Replaced by the built-in upstream, or nothing would ever succeed."""


def test_the_demo_fills_the_ledger_by_itself_and_ends_well(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, NOWHERE)
    proxy.start("demo")
    try:
        finished = "SELECT outcome, model, session_id FROM exchanges WHERE outcome IS NOT NULL"
        wait(lambda: len(proxy.rows(finished)) >= 20, "twenty requests")
        rows = proxy.rows(finished)
        assert sum(row["outcome"] == "ok" for row in rows) > len(rows) / 2
        assert len({row["model"] for row in rows}) > 1
        assert len({row["session_id"] for row in rows}) > 1
        assert proxy.api("/api/v1/exchanges")["items"]
        assert "proxy_request_count_total{" in proxy.metrics()
    finally:
        code = proxy.stop(signal.SIGINT)
    assert code == 0, proxy.said()
    laws.check(proxy)
