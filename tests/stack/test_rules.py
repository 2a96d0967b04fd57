"""Every rule is accepted and evaluates, every recorded series has data, and a healthy stack raises no alarm."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from proxy.demo.journal import Seen
from proxy.demo.traffic import play
from proxy.demo.upstream import Upstream
from tests.demo.conftest import listening
from tests.kit import laws, upstream
from tests.kit.process import Proxy
from tests.rules.reading import ROOT, loki_alerts, prometheus_alerts, recorded
from tests.rules.test_recording import OF_OTHERS
from tests.servers.cache import program
from tests.stack.alerting import Rule, alerts, hurry, rules
from tests.stack.reading_back import Server, loki, prometheus
from tests.stack.refusals import NEAR_MISSES, REFUSALS, Refusal
from tests.stack.running import SERVERS, Stack, prepared_stack, wait_until

ENDPOINTS = """
[upstreams.refusing]
url = "{url}"
[endpoints.default]
path = ""
upstreams = ["anthropic"]
[endpoints.upset]
upstreams = ["refusing"]
[endpoints.calm]
upstreams = ["refusing"]
"""
SELECTED = '{service_name="anthropic-proxy"}'
OF_THE_MACHINERY = {"delivery", "loss", "ledger", "proxy", "alerting", "series"}
"""Families of alerts that a proxy with failing upstreams and callers must not raise."""
NO_FAILURES = ("ok", "client_disconnected", "rejected")
ONE_429 = Refusal(1, 429, "rate_limit_error")
_ARRIVED_SECONDS = 90.0


@dataclass(frozen=True)
class Evaluated:
    """Servers in a hurry, and a proxy whose traffic has ended and arrived."""

    stack: Stack
    proxy: Proxy
    prometheus: Server
    loki: Server
    arrived_at: float
    """Unix seconds."""


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluated]:
    """Sample sessions, some of which fail, and what Loki's alerts are about."""
    stack = prepared_stack(tmp_path_factory.mktemp("stack"))
    hurry(stack)
    stack.tempo.start()
    journal: list[Seen] = []
    answering = Upstream(seed=5, speed=0.02, failures=0.15, journal=journal)
    refusing = upstream.Upstream(refuse)
    try:
        with stack.running(*SERVERS), listening(answering, journal) as behind, refusing.running():
            folder = tmp_path_factory.mktemp("proxy")
            environment = {**stack.proxy_environment(folder / "data"), "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
            proxy = Proxy(folder, behind.url, rest=ENDPOINTS.format(url=refusing.url), env=environment)
            with proxy.running():
                yield _played(stack, proxy)
                laws.check(proxy)
    finally:
        stack.tempo.stop()


def refuse(talk: upstream.Talk) -> None:
    """The answer that the request's own header asks for: status, type and message of the error."""
    [wanted] = talk.seen.values(b"x-answer")
    status, kind, message = wanted.decode().split("|")
    error = {"type": "error", "error": {"type": kind, "message": message}}
    body = {"type": "message", "content": []} if status == "200" else error
    talk.answer(json.dumps(body).encode(), status=f"{status} whatever")


def _played(stack: Stack, proxy: Proxy) -> Evaluated:
    servers = (prometheus(stack.prometheus), loki(stack.loki))
    asyncio.run(play((proxy.base_url,), seed=11, sessions=4, pace=0, stop=asyncio.Event()))
    with httpx.Client(trust_env=False) as client:
        for endpoint, refusals in (("upset", REFUSALS), ("calm", NEAR_MISSES)):
            for name, refusal in refusals.items():
                _send(client, f"{proxy.base_url}/{endpoint}/v1/messages", f"sk-ant-api03-{endpoint}-{name}", refusal)
        _send(client, f"{proxy.base_url}/calm/v1/messages", "sk-ant-api03-calm-limited", ONE_429)

    def arrived() -> bool:
        outcomes, now = [row["outcome"] for row in proxy.rows("SELECT outcome FROM exchanges")], time.time()
        counted = servers[0].value("sum(proxy_request_count_total)", now)
        logged = servers[1].value(f'sum(count_over_time({SELECTED} |= "completed" [1h]))', now)
        return all(outcomes) and counted == logged == len(outcomes)

    wait_until(arrived, "the arrival of every request", _ARRIVED_SECONDS)
    return Evaluated(stack, proxy, *servers, time.time())


def _send(client: httpx.Client, url: str, key: str, refusal: Refusal) -> None:
    body = {"model": refusal.model, "max_tokens": 1, "messages": []}
    answers = [refusal] * refusal.times + [replace(refusal, status=200)] * refusal.succeeds
    for answer in answers:
        headers = {"x-api-key": key, "x-answer": f"{answer.status}|{answer.error_type}|{answer.message}"}
        if refusal.session:
            headers["x-claude-code-session-id"] = refusal.session
        assert client.post(url, json=body, headers=headers).status_code == answer.status


def checked(*command: str | Path) -> None:
    """Runs a server's own check of a file."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    promtool = program("prometheus", "promtool")
    checked(promtool, "check", "rules", "--lint=all", "--lint-fatal", *sorted(ROOT.glob("prometheus/rules/*.yaml")))


def test_promtool_finds_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    prepared_stack(tmp_path)
    checked(program("prometheus", "promtool"), "check", "config", tmp_path / "etc/prometheus/config.yaml")


@pytest.mark.parametrize("cases", sorted(ROOT.glob("prometheus/tests/*.yaml")), ids=lambda path: path.stem)
def test_every_alert_fires_and_stays_silent_when_it_should(cases: Path) -> None:
    checked(program("prometheus", "promtool"), "test", "rules", cases)


def test_loki_finds_nothing_wrong_with_its_configuration() -> None:
    checked(program("loki"), f"-config.file={ROOT / 'loki/config.yaml'}", "-verify-config")


def test_amtool_finds_nothing_wrong_with_the_routes() -> None:
    checked(program("alertmanager", "amtool"), "check-config", ROOT / "alertmanager/config.yaml")


def test_one_endpoint_can_have_an_objective_of_its_own(tmp_path: Path) -> None:
    """The example in the file itself."""
    text = (ROOT / "prometheus/rules/objectives.yaml").read_text("utf-8")
    [example] = re.findall(r"^#   expr: >-\n((?:#     .+\n)+)", text, flags=re.MULTILINE)
    expression = " ".join(line.removeprefix("#     ") for line in example.splitlines())
    case = f"""
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{{series: 'proxy_request_count_total{{endpoint="nightly"}}', values: "1x5"}},
                   {{series: 'proxy_request_count_total{{endpoint="default",model="m"}}', values: "1x5"}}]
    promql_expr_test:
      - expr: '{expression}'
        eval_time: 1m
        exp_samples: [{{labels: '{{endpoint="nightly"}}', value: 0.95}},
                      {{labels: '{{endpoint="default"}}', value: 0.99}}]
"""
    (tmp_path / "case.yaml").write_text(case, encoding="utf-8")
    checked(program("prometheus", "promtool"), "test", "rules", tmp_path / "case.yaml")


def test_prometheus_has_every_rule_and_none_fails(evaluated: Evaluated) -> None:
    _evaluates(evaluated.stack.prometheus, {*recorded(), *prometheus_alerts()})


def test_loki_has_every_rule_and_none_fails(evaluated: Evaluated) -> None:
    _evaluates(f"{evaluated.stack.loki}/prometheus", set(loki_alerts()))


def _evaluates(api: str, names: set[str]) -> None:
    def known() -> list[Rule]:
        return [rule for rule in rules(api) if rule.health != "unknown"]

    wait_until(lambda: len(known()) >= len(names), "an evaluation of every rule", _ARRIVED_SECONDS)
    assert {rule.name for rule in known()} == names
    assert [(rule.name, rule.last_error) for rule in known() if rule.health != "ok"] == []


def test_every_recorded_series_has_data(evaluated: Evaluated) -> None:
    def empty() -> set[str]:
        now = time.time()
        return {name for name in recorded() if not evaluated.prometheus.instant(name, now)}

    wait_until(lambda: not empty(), f"data in {empty()}", _ARRIVED_SECONDS)


def test_every_metric_of_others_that_rules_ask_for_is_there(evaluated: Evaluated) -> None:
    now = time.time()
    assert {name for name in OF_OTHERS if not evaluated.prometheus.instant(name, now)} <= {
        "loki_discarded_samples_total"  # counts from its first event on
    }


def test_what_counts_and_what_fails_are_those_of_the_ledger(evaluated: Evaluated) -> None:
    own = [row for row in evaluated.proxy.rows() if not 400 <= (row["status"] or 0) < 500]
    failed = Counter(row["endpoint"] for row in own if row["outcome"] not in NO_FAILURES)
    counting = Counter(row["endpoint"] for row in own if row["outcome"] not in NO_FAILURES[1:])
    assert failed["default"] > 3
    for name, wanted in (
        ("endpoint:proxy_failures:ratio_rate5m", failed),
        ("endpoint:proxy_requests:rate5m", counting),
    ):
        [selector] = re.findall(r"proxy_request_count_total\{.*?\}", recorded()[name])
        found = evaluated.prometheus.instant(f"sum by (endpoint) ({selector})", time.time())
        assert {one.labels["endpoint"]: one.last for one in found if one.last} == wanted


def test_a_healthy_stack_raises_no_alarm_of_its_own(evaluated: Evaluated) -> None:
    """Although every alert waits for a second only."""
    raised = [alert for alert in alerts(evaluated.stack.prometheus) if alert.labels["family"] in OF_THE_MACHINERY]
    assert [(alert.name, alert.annotations["description"]) for alert in raised if alert.state == "firing"] == []


def test_loki_raises_the_alerts_whose_requests_were_refused_often_enough(evaluated: Evaluated) -> None:
    def raised() -> Counter[tuple[str, str]]:
        return Counter((alert.name, alert.labels["endpoint"]) for alert in alerts(f"{evaluated.stack.loki}/prometheus"))

    wanted = Counter((name, "upset") for name in loki_alerts())
    wait_until(lambda: raised() >= wanted, f"{wanted} and not {raised()}", _ARRIVED_SECONDS)
    assert raised() == wanted


def test_alerts_of_loki_name_who_is_meant(evaluated: Evaluated) -> None:
    said = {alert.name: alert for alert in alerts(f"{evaluated.stack.loki}/prometheus")}
    assert said["AnthropicProxySessionRefused"].labels["session_id"] == "stuck"
    assert said["AnthropicProxyModelRefused"].labels["model"] == "claude-of-last-year"
    assert "was refused 5 times at upset" in said["AnthropicProxyKeyRefused"].annotations["description"]


def test_every_query_of_the_runbooks_is_answered(evaluated: Evaluated) -> None:
    text = (ROOT / "docs/runbooks.md").read_text("utf-8")
    queries = re.findall(r"```logql\n\s*(.+)\n\s*```", text)
    assert len(queries) > 8
    now = time.time()
    for query in queries:
        if query.startswith("{"):
            evaluated.loki.lines(query, now - 3_600, now)
        else:
            evaluated.loki.instant(query, now)
