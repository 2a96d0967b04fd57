"""Sample traffic through the real proxy into the real servers: the unmodified reference dashboard shows the ledger."""

from __future__ import annotations

import asyncio
import json
import math
import time
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from proxy.demo.journal import Seen
from proxy.demo.traffic import play
from proxy.demo.upstream import Upstream
from proxy.pricing import PriceTable
from tests.demo.conftest import listening
from tests.kit import laws
from tests.kit.process import Proxy, Row
from tests.stack import dashboard
from tests.stack.reading_back import Server, loki, prometheus
from tests.stack.running import Stack, wait_until

SEEDS = (11, 12)
SESSIONS = 9
FAILURES = 0.15
WINDOW_AGE_S = 1_200
"""How long ago windows begin that the upstream opens: the panels look back as far."""
DELIVERED_SECONDS = 90.0
SELECTED = '{service_name="anthropic-proxy"}'
WHOLE = "[6h]"
ENDPOINTS = """
[endpoints.default]
path = ""
[endpoints.production]
organization = "acme"
"""


@dataclass
class Played:
    """A proxy whose traffic has ended and arrived everywhere."""

    proxy: Proxy
    servers: dict[str, Server]
    shown: dashboard.Evaluation
    at: float
    """When the dashboard was looked at, unix seconds."""

    def counted(self, expression: str) -> dict[str, float]:
        """Values of an instant query to Prometheus by the labels' values, "" for none."""
        found = self.servers["prometheus"].instant(expression, self.at)
        return {" ".join(value for _, value in sorted(one.labels.items())): one.last for one in found}

    def logged(self, expression: str) -> dict[str, float]:
        """The same from Loki."""
        found = self.servers["loki"].instant(expression, self.at)
        return {" ".join(value for _, value in sorted(one.labels.items())): one.last for one in found}

    def ledger(self, column: str, amount: Callable[[Row], float | None]) -> dict[str, float]:
        """Sums of the ledger's rows by a column."""
        found: defaultdict[str, float] = defaultdict(float)
        for row in labelled(self.proxy):
            found[str(row[column])] += amount(row) or 0
        return {name: value for name, value in found.items() if value}


@pytest.fixture(scope="module")
def installation(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Two rounds of sample sessions with failures, from fixed seeds."""
    servers = {"prometheus": prometheus(stack.prometheus), "loki": loki(stack.loki)}
    journal: list[Seen] = []
    behind = Upstream(seed=5, speed=0, failures=FAILURES, journal=journal, clock=lambda: time.time() - WINDOW_AGE_S)
    with listening(behind, journal) as upstream:
        folder = tmp_path_factory.mktemp("proxy")
        environment = {**stack.proxy_environment(folder / "data"), "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
        proxy = Proxy(folder, upstream.url, rest=ENDPOINTS, env=environment)
        with proxy.running():
            for seed in SEEDS:
                urls = (proxy.base_url, f"{proxy.base_url}/production")
                asyncio.run(play(urls, seed=seed, sessions=SESSIONS, pace=0, stop=asyncio.Event()))
                wait_until(lambda: arrived(proxy, servers), "the arrival of every request", DELIVERED_SECONDS)
            now = time.time()
            shown = dashboard.evaluate(dashboard.load(dashboard.DASHBOARD.read_bytes()), servers, now)
            yield Played(proxy, servers, shown, now)


@pytest.fixture
def played(installation: Played) -> Iterator[Played]:
    """The module's; ends with the laws."""
    yield installation
    laws.check(installation.proxy)


def arrived(proxy: Proxy, servers: dict[str, Server]) -> bool:
    """Whether both servers know of as many requests as the ledger, and none is open."""
    rows = proxy.rows("SELECT outcome FROM exchanges")
    now = time.time()
    counted = servers["prometheus"].value("sum(proxy_request_count_total)", now)
    logged = servers["loki"].value(f'sum(count_over_time({SELECTED} |= "completed" {WHOLE}))', now)
    return all(row["outcome"] for row in rows) and counted == logged == len(rows)


def labelled(proxy: Proxy) -> list[Row]:
    """The rows in order of commit, with `label`: the model's name in metrics, `other` until it has answered."""
    rows = proxy.rows(
        "SELECT e.*, c.total_usd AS cost_usd FROM journal j JOIN exchanges e USING (request_id)"
        " LEFT JOIN costs c ON c.request_id = e.request_id AND latest = 1 ORDER BY seq"
    )
    prices, known = PriceTable(), set()
    for row in rows:
        if row["outcome"] == "ok":
            known |= {name for name in (row["model"], row["response_model"]) if name and prices.knows(name)}
        row["label"] = row["model"] if row["model"] in known else "other" if row["model"] else None
        row["status_code"] = "none" if row["status"] is None else str(row["status"])
        row["streamed"] = "" if row["stream"] is None else str(bool(row["stream"])).lower()
    return rows


def test_the_traffic_was_worth_looking_at(played: Played) -> None:
    outcomes = Counter(row["outcome"] for row in played.proxy.rows())
    assert outcomes.total() > 150
    assert {"ok", "upstream_error", "error_in_stream", "truncated"} <= set(outcomes)


def test_every_query_of_the_reference_dashboard_is_found_and_has_data(played: Played) -> None:
    assert len(played.shown.answers) == 30
    assert [answer.query for answer in played.shown.answers if not answer.has_data] == []


def test_window_variables_are_the_age_of_the_main_accounts_windows(played: Played) -> None:
    resets = {
        row["window"]: row["resets_at"]
        for row in played.proxy.rows(
            'SELECT w."window", w.resets_at FROM windows w JOIN journal j USING (request_id)'
            " WHERE utilization IS NOT NULL ORDER BY j.seq"
        )
    }
    assert {"5h", "7d"} <= set(resets)
    shown = {name: int(value) for name, value in played.shown.variables.items()}
    assert shown["window_age_5h"] >= WINDOW_AGE_S
    assert WINDOW_AGE_S <= shown["window_age_7d"] <= 7 * 86_400
    known = {row["resets_at"] for row in played.proxy.rows("SELECT resets_at FROM windows")}
    for name, length in (("window_age_5h", 5 * 3_600), ("window_age_7d", 7 * 86_400)):
        assert math.ceil(played.at) + length - shown[name] in known


def test_the_annotation_marks_every_429(played: Played) -> None:
    [lines] = played.shown.annotations.values()
    limited = played.proxy.rows("SELECT error_message FROM exchanges WHERE status = 429")
    assert Counter(line.labels["error_message"] for line in lines) == Counter(row["error_message"] for row in limited)
    assert lines


@pytest.mark.parametrize(("label", "column"), [("status_code", "status_code"), ("stream", "streamed")])
def test_requests_by_label_are_the_ledgers(played: Played, label: str, column: str) -> None:
    counted = played.counted(f"sum by ({label}) (proxy_request_count_total)")
    assert counted == played.ledger(column, lambda row: 1)


@pytest.mark.parametrize("column", ["input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens"])
def test_tokens_by_model_are_the_ledgers(played: Played, column: str) -> None:
    counted = played.counted(f"sum by (model) (proxy_tokens_{column.removesuffix('_tokens')}_total) > 0")
    assert counted == played.ledger("label", lambda row: row[column])


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_cache_writes_by_time_to_live_are_the_ledgers(played: Played, ttl: str) -> None:
    counted = played.counted(f'sum by (model) (proxy_tokens_cache_creation_total{{ttl="{ttl}"}}) > 0')
    assert counted == played.ledger("label", lambda row: row[f"cache_creation_{ttl}_tokens"])


def test_cost_by_model_is_the_ledgers(played: Played) -> None:
    counted = played.counted("sum by (model) (proxy_cost_total) > 0")
    assert counted == pytest.approx(played.ledger("label", lambda row: row["cost_usd"]), abs=1e-6)


def test_cooldowns_are_the_rejected_windows_of_the_ledger(played: Played) -> None:
    rejected = played.proxy.rows(
        "SELECT DISTINCT account, \"window\", resets_at FROM windows WHERE status = 'rejected'"
    )
    assert rejected
    assert number(played.shown, "Credential Cooldowns", "A") == len(rejected)
    assert number(played.shown, "Total Requests", "A") == len(played.proxy.rows())


@pytest.mark.parametrize("column", ["input_tokens", "output_tokens", "cost_usd"])
def test_sums_over_the_logs_are_the_ledgers(played: Played, column: str) -> None:
    unwrapped = f'sum_over_time({SELECTED} |= "completed" | unwrap {column} | __error__="" {WHOLE})'
    wanted = played.ledger("model", lambda row: row[column])
    found = {name: value for name, value in played.logged(f"sum by (model) ({unwrapped})").items() if value}
    assert found == pytest.approx(wanted, abs=1e-6)
    assert played.logged(f"sum({unwrapped})")[""] == pytest.approx(sum(wanted.values()), abs=1e-6)


def test_window_panels_show_what_the_ledger_has_since_the_window_began(played: Played) -> None:
    for panel, column in (("Window Tokens In", "input_tokens"), ("Window Tokens Out", "output_tokens")):
        total = sum(row[column] or 0 for row in played.proxy.rows())
        assert {number(played.shown, panel, ref) for ref in ("A", "B")} == {total}


def test_spans_of_every_request_reach_tempos_place(played: Played, stack: Stack) -> None:
    ids = {row["span_id"] for row in played.proxy.rows()}
    ids |= {row["span_id"] for row in played.proxy.rows("SELECT span_id FROM attempts")}

    def written() -> bool:
        return ids <= {span.span_id.hex() for span in stack.tempo.spans()}

    wait_until(written, f"the arrival of {len(ids)} spans", DELIVERED_SECONDS)


def test_exemplars_lead_to_requests_of_the_ledger(played: Played, stack: Stack) -> None:
    asked = {"query": "proxy_request_duration_ms_milliseconds_bucket", "start": "0", "end": str(int(played.at) + 60)}
    with urllib.request.urlopen(f"{stack.prometheus}/api/v1/query_exemplars?{urllib.parse.urlencode(asked)}") as answer:
        data = json.load(answer)["data"]
    found = {exemplar["labels"]["trace_id"] for series in data for exemplar in series["exemplars"]}
    assert found
    assert found <= {row["trace_id"] for row in played.proxy.rows()}


def test_prometheus_scrapes_the_proxys_health_with_its_token(played: Played) -> None:
    prom = played.servers["prometheus"]
    wait_until(
        lambda: prom.value('up{job="anthropic-proxy"}', time.time()) == 1, "a scrape of the proxy", DELIVERED_SECONDS
    )
    now = time.time()
    assert prom.value("sum(proxy_dropped_total)", now) == 0
    assert prom.value("sum(proxy_ledger_size_bytes)", now) > 0
    assert prom.value("count(proxy_request_count_total unless proxy_request_count_total{instance=~'127.+'})", now) > 0
    assert prom.instant("proxy_request_count_total{instance=~'127.+'}", now) == []


def number(shown: dashboard.Evaluation, panel: str, ref: str) -> float:
    """The only number of a panel's query."""
    [series] = shown.answer(panel, ref).instant
    return series.last
