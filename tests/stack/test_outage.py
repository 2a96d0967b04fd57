"""The real proxy under load while each server behind it is killed, stopped and robbed of an answer: nothing is lost."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.names import fields
from tests.cli.commands import command
from tests.kit import laws
from tests.kit.process import Proxy
from tests.kit.raw import ask, post
from tests.kit.upstream import Talk, Upstream
from tests.processes.load import Load, Streams
from tests.stack.link import Link
from tests.stack.own_metrics import of_collector, of_loki
from tests.stack.proxy import expected
from tests.stack.reading_back import Server, loki, prometheus
from tests.stack.running import Stack, prepared_stack, substituted, wait_until

SERVERS = ("otel-collector", "prometheus", "loki")
_CLIENTS = 2
_MEANWHILE = 60
"""Requests that are answered while a server is away."""
_FAILING = post("/v1/messages", b'{"model": "claude-sonnet-4-6"}', "X-Test-Fail: 1\r\n")
_DELIVERED_SECONDS = 60.0
_SELECTED = '{service_name="anthropic-proxy"}'
_OF_THE_STACK = ("__name__", "job", "instance")
Series = dict[frozenset[tuple[str, str]], float]


class _Upstream(Streams):
    def __call__(self, talk: Talk) -> None:
        if talk.seen.values(b"x-test-fail"):
            error = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
            talk.answer(error, status="529 Overloaded")
        else:
            super().__call__(talk)


@dataclass
class _Servers:
    """Those that run, which can be taken away and brought back one by one."""

    stack: Stack
    _running: dict[str, ExitStack]
    _kill: dict[str, Callable[[], object]]

    def start(self, *names: str) -> None:
        """Until they can be used."""
        for name in names:
            self._running[name] = ExitStack()
            processes = self._running[name].enter_context(self.stack.running(name))
            self._kill[name] = processes[name].kill

    def stop(self, *names: str) -> None:
        """As at a regular end."""
        for name in names:
            self._running.pop(name).close()

    def kill(self, name: str) -> None:
        """Without a chance to put anything in order."""
        self._kill[name]()
        self.stop(name)

    def close(self) -> None:
        """Stops whatever runs."""
        self.stop(*self._running)


@dataclass
class _Told:
    """What there is everywhere when everything has been told."""

    proxy: Proxy
    stack: Stack
    load: Load

    @property
    def records(self) -> Counter[tuple[str, str]]:
        """Log records that must be there: kind and request."""
        found = Counter((fields.COMPLETED, row["request_id"]) for row in self.proxy.rows())
        failed = self.proxy.rows("SELECT * FROM exchanges WHERE outcome = 'upstream_error'")
        return found + Counter((fields.UPSTREAM_ERROR, row["request_id"]) for row in failed)

    def logged(self) -> Counter[tuple[str, str]]:
        """Log records as Loki counts them."""
        found: Counter[tuple[str, str]] = Counter()
        for kind in (fields.COMPLETED, fields.UPSTREAM_ERROR):
            counted = f'sum by (request_id) (count_over_time({_SELECTED} |= "{kind}" [1h]))'
            answer = loki(self.stack.loki).instant(counted, time.time())
            found |= Counter({(kind, one.labels["request_id"]): int(one.last) for one in answer})
        return found

    def totals(self) -> dict[str, Series]:
        """Every counter as it must be."""
        ledger = expected.read(self.proxy)
        found: dict[str, defaultdict[frozenset[tuple[str, str]], float]] = {}
        for name, samples in expected.COUNTERS.items():
            sums = found.setdefault(name, defaultdict(float))
            for labels, amount in samples(ledger):
                sums[frozenset(labels.items())] += amount
        return {name: dict(sums) for name, sums in found.items()}

    def counted(self) -> dict[str, Series]:
        """Every counter as Prometheus has it."""
        server = prometheus(self.stack.prometheus)
        return {name: _series(server, name) for name in expected.COUNTERS}


def _series(server: Server, name: str) -> Series:
    return {
        frozenset((label, value) for label, value in one.labels.items() if label not in _OF_THE_STACK): one.last
        for one in server.instant(f'{name}{{job="anthropic-proxy"}}', time.time())
    }


def _close(found: dict[str, Series], wanted: dict[str, Series]) -> bool:
    return all(found[name] == pytest.approx(series, rel=1e-9) for name, series in wanted.items())


@contextmanager
def _links(stack: Stack) -> Iterator[dict[str, Link]]:
    """One before each server: the collector reaches Prometheus and Loki only by them."""
    with ExitStack() as opened:
        urls = {"otel-collector": stack.otlp, "prometheus": stack.prometheus, "loki": stack.loki}
        links = {name: opened.enter_context(Link(url)) for name, url in urls.items()}
        config = stack.folder / "etc" / "otel-collector" / "config.yaml"
        redirected = {urls[name]: links[name].url for name in ("prometheus", "loki")}
        config.write_text(substituted(config.read_text(), redirected))
        yield links


def _outages(servers: _Servers, links: dict[str, Link], passes: Callable[[], None]) -> None:
    """Everything that goes wrong, one after the other; `passes` returns when requests have been answered meanwhile."""
    for name in SERVERS:
        servers.kill(name)
        passes()
        servers.start(name)
        passes()
    servers.stop("prometheus", "loki")
    servers.stack.tempo.stop()
    passes()
    servers.kill("otel-collector")
    passes()
    servers.start(*SERVERS)
    servers.stack.tempo.start()
    for link in links.values():
        link.lose_an_answer()
    wait_until(lambda: all(link.has_lost for link in links.values()), "three lost answers", _DELIVERED_SECONDS)
    passes()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Told]:
    """All outages are over and everything should have arrived; nothing is sent any more."""
    stack = prepared_stack(tmp_path_factory.mktemp("stack"))
    stack.tempo.start()
    folder = tmp_path_factory.mktemp("proxy")
    servers = _Servers(stack, {}, {})
    with ExitStack() as all_of_it:
        all_of_it.callback(stack.tempo.stop)
        links = all_of_it.enter_context(_links(stack))
        all_of_it.callback(servers.close)
        servers.start(*SERVERS)
        upstream = all_of_it.enter_context(Upstream(script=_Upstream()).running())
        environment = {
            **stack.proxy_environment(folder / "data"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": links["otel-collector"].url,
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }
        proxy = Proxy(folder, upstream.url, env=environment)
        all_of_it.enter_context(proxy.running())
        load = all_of_it.enter_context(Load(proxy.base_url, _CLIENTS))

        def passes() -> None:
            settled = len(load.answered)
            assert ask(proxy.base_url, _FAILING).status == 529
            wait_until(lambda: len(load.answered) > settled + _MEANWHILE, "answers", _DELIVERED_SECONDS)

        passes()
        _outages(servers, links, passes)
        load.stop()
        yield _Told(proxy, stack, load)


@pytest.fixture
def told(installation: _Told) -> Iterator[_Told]:
    """The module's; ends with the laws."""
    yield installation
    laws.check(installation.proxy)


def test_no_request_notices(told: _Told) -> None:
    assert (told.load.wrong, told.load.broken) == ([], 0)
    assert len(told.load.answered) > 8 * _MEANWHILE


def test_every_record_is_in_loki_exactly_once(told: _Told) -> None:
    wanted = told.records
    wait_until(lambda: told.logged() == wanted, "every record in Loki, once", _DELIVERED_SECONDS)
    assert {kind for kind, _ in wanted} == {fields.COMPLETED, fields.UPSTREAM_ERROR}


def test_totals_are_exact(told: _Told) -> None:
    wanted = told.totals()
    wait_until(lambda: _close(told.counted(), wanted), "exact totals in Prometheus", _DELIVERED_SECONDS)
    assert sum(wanted["proxy_request_count_total"].values()) > 8 * _MEANWHILE


def test_every_span_arrives(told: _Told) -> None:
    wanted = {
        row["span_id"] for table in ("exchanges", "attempts") for row in told.proxy.rows(f"SELECT * FROM {table}")
    }
    wait_until(
        lambda: {span.span_id.hex() for span in told.stack.tempo.spans()} == wanted, "every span", _DELIVERED_SECONDS
    )


def test_records_that_are_rewound_are_stored_once(told: _Told, tmp_path: Path) -> None:
    wanted = told.records
    wait_until(lambda: told.logged() == wanted, "every record in Loki, once", _DELIVERED_SECONDS)
    before = of_collector(told.stack, "otelcol_exporter_sent_log_records")
    data = ("--data", str(told.proxy.data))
    done = command(tmp_path, "telemetry", "rewind", "--signal", "logs", "--since", "1h", *data)
    assert done.code == 0, done.err
    again = before + sum(wanted.values())
    wait_until(
        lambda: of_collector(told.stack, "otelcol_exporter_sent_log_records") >= again, "all again", _DELIVERED_SECONDS
    )
    wait_until(lambda: told.logged() == wanted, "every record in Loki, still once", _DELIVERED_SECONDS)


def test_nothing_was_refused(told: _Told) -> None:
    for signal in ("log_records", "metric_points", "spans"):
        assert of_collector(told.stack, f"otelcol_exporter_send_failed_{signal}") == 0
    assert of_loki(told.stack, "loki_discarded_samples_total") == 0
    assert told.proxy.rows("SELECT * FROM dead_letters") == []
