"""One installation for all tests of this folder: servers, proxy and upstream, whose traffic has ended and arrived."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

from proxy.demo.journal import Seen
from proxy.demo.upstream import Upstream
from tests.demo.conftest import listening
from tests.kit import laws
from tests.kit.process import Proxy
from tests.stack.grafana.evaluating import Evaluation, evaluate
from tests.stack.grafana.shape import OURS, REFERENCE, Dashboard, load
from tests.stack.proxy import expected, traffic
from tests.stack.proxy.expected import Ledger
from tests.stack.reading_back import Server, loki, prometheus
from tests.stack.running import SERVERS, Stack, prepared_stack, wait_until

WINDOW_AGE_S = 600
"""How long ago windows begin that the upstream opens: the panels look back as far."""
SELECTED = '{service_name="anthropic-proxy"}'
WHOLE = "[6h]"
"""A range that holds all that happened."""
_SCRAPED = ("proxy_ledger_commit_ms_milliseconds_count", "otelcol_receiver_accepted_log_records")
"""Counters of two scrapes that traffic makes grow, so that rates of what is scraped have something to rise from."""
_DELIVERED_SECONDS = 90.0
_PLAYED_SECONDS = 420.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for servers and traffic, so it may take longer than others."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_PLAYED_SECONDS))


@dataclass
class Installation:
    """Everything at one moment, `at` (unix seconds): that of the newest samples in Prometheus."""

    stack: Stack
    servers: dict[str, Server]
    proxy: Proxy
    since: float
    """When the first round had arrived."""
    at: float
    dashboards: dict[str, Dashboard]
    """By uid."""
    empty: dict[str, Evaluation]
    """The dashboards before anything was sent, by uid."""
    _shown: dict[str, Evaluation] = field(default_factory=dict)

    def shown(self, uid: str) -> Evaluation:
        """A dashboard at the moment."""
        if uid not in self._shown:
            self._shown[uid] = evaluate(self.dashboards[uid], self.servers, self.at)
        return self._shown[uid]

    @cached_property
    def ledger(self) -> Ledger:
        """What telemetry is made of."""
        return expected.read(self.proxy)

    def counted(self, expression: str, *by: str) -> dict[tuple[str, ...], float]:
        """Values of an instant query to Prometheus by values of labels, "" for none."""
        return self._by_labels("prometheus", expression, by)

    def logged(self, expression: str, *by: str) -> dict[tuple[str, ...], float]:
        """The same from Loki."""
        return self._by_labels("loki", expression, by)

    def _by_labels(self, source: str, expression: str, by: tuple[str, ...]) -> dict[tuple[str, ...], float]:
        found = self.servers[source].instant(expression, self.at)
        return {tuple(one.labels.get(name, "") for name in by): one.last for one in found}


@pytest.fixture(scope="package")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Servers and proxy go on running, but nothing is sent any more. Ends with the laws."""
    stack = prepared_stack(tmp_path_factory.mktemp("stack"))
    stack.tempo.start()
    try:
        with stack.running(*SERVERS):
            yield from _played(stack, tmp_path_factory)
    finally:
        stack.tempo.stop()


def _played(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    servers = {"prometheus": prometheus(stack.prometheus), "loki": loki(stack.loki)}
    dashboards = {one.uid: one for one in (load(path.read_bytes()) for path in (REFERENCE, *OURS))}
    empty = {uid: evaluate(one, servers, time.time()) for uid, one in dashboards.items() if uid != "anthropic-proxy"}
    journal: list[Seen] = []
    clock = lambda: time.time() - WINDOW_AGE_S  # noqa: E731
    behind = Upstream(seed=5, speed=traffic.SPEED, failures=traffic.FAILURES, journal=journal, clock=clock)
    with listening(behind, journal) as upstream:
        folder = tmp_path_factory.mktemp("proxy")
        environment = {**stack.proxy_environment(folder / "data"), "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
        proxy = Proxy(folder, upstream.url, relay=traffic.RELAY, rest=traffic.SETTINGS, env=environment)
        with proxy.running():
            arrivals, scraped = [], _Growth(servers["prometheus"])
            for _ in traffic.rounds(proxy.base_url):
                wait_until(lambda: _arrived(proxy, servers), "the arrival of every request", _DELIVERED_SECONDS)
                arrivals.append(time.time())
                # So that rates of what is scraped have something to rise from, too.
                for name in _SCRAPED:
                    wait_until(lambda name=name: scraped.grew(name), f"a scrape of {name}", _DELIVERED_SECONDS)  # type: ignore[misc]
            ended = time.time()
            wait_until(lambda: _newest(servers) > ended, "one more export", _DELIVERED_SECONDS)
            at = _newest(servers)
            yield Installation(stack, servers, proxy, arrivals[0], at, dashboards, empty)
            laws.check(proxy)


def _newest(servers: dict[str, Server]) -> float:
    """When the newest samples were exported."""
    return servers["prometheus"].value("max(timestamp(proxy_request_count_total))", time.time())


@dataclass
class _Growth:
    """Notices that counters have grown since it looked last."""

    server: Server
    seen: dict[str, float] = field(default_factory=dict)

    def grew(self, name: str) -> bool:
        value = self.server.value(f"sum({name})", time.time())
        if not value > self.seen.get(name, 0):
            return False
        self.seen[name] = value
        return True


def _arrived(proxy: Proxy, servers: dict[str, Server]) -> bool:
    """Whether both servers know of as many requests as the ledger, and none is open."""
    rows = proxy.rows("SELECT outcome FROM exchanges")
    now = time.time()
    counted = servers["prometheus"].value("sum(proxy_request_count_total)", now)
    logged = servers["loki"].value(f'sum(count_over_time({SELECTED} |= "completed" {WHOLE}))', now)
    return all(row["outcome"] for row in rows) and counted == logged == len(rows)
