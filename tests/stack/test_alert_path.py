"""From requests that fail to a message at a webhook: the real proxy, Prometheus, Loki and Alertmanager in a hurry."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import msgspec
import pytest

from init.first_start import SECRETS
from tests.kit import laws, upstream
from tests.kit.process import Proxy
from tests.rules.reading import loki_alerts, prometheus_alerts
from tests.stack.alerting import Alert, Webhook, hurry, webhook
from tests.stack.reading_back import prometheus
from tests.stack.running import SERVERS, Stack, prepared_stack, wait_until

SPIKE = "AnthropicProxyErrorSpike"
REFUSED = "AnthropicProxyKeyRefused"
FAILED, GOOD = 12, 220
"""Enough to count, and so many that the failures are less than the objective bears."""
OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
NOT_KNOWN = b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'
MESSAGE = b'{"type":"message","content":[]}'
COLLECTORS_HEALTH = "http://otel-collector:13133/"
_TOLD_SECONDS = 60.0
_ANSWER_SECONDS = 10


@dataclass(frozen=True)
class Way:
    """Servers, a proxy before an upstream that does as it is told, and where alerts arrive."""

    stack: Stack
    proxy: Proxy
    upstream: upstream.Upstream
    hook: Webhook

    def send(self, times: int, status: int, body: bytes) -> None:
        """So many requests that are answered like this."""
        self.upstream.script = lambda talk: talk.answer(body, status=f"{status} whatever")
        with httpx.Client(trust_env=False, headers={"x-api-key": "sk-ant-api03-somebody"}) as client:
            for _ in range(times):
                asked = {"model": "claude-haiku-4-5", "max_tokens": 1, "messages": []}
                assert client.post(f"{self.proxy.base_url}/v1/messages", json=asked).status_code == status

    def told(self, name: str, status: str) -> Alert:
        """The alert, once a message has said that it is `firing` or `resolved`."""
        wait_until(lambda: bool(self.hook.told(name, status)), f"a message that {name} is {status}", _TOLD_SECONDS)
        return self.hook.told(name, status)[-1]


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """Everything from the caller to the webhook."""
    stack = prepared_stack(tmp_path_factory.mktemp("stack"))
    hurry(stack)
    stack.tempo.start()
    behind = upstream.Upstream()
    try:
        with webhook() as hook, behind.running():
            stack.secret("alert_webhook_url").write_text(f"{hook.url}\n")
            folder = tmp_path_factory.mktemp("proxy")
            environment = {**stack.proxy_environment(folder / "data"), "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
            proxy = Proxy(folder, behind.url, env=environment)
            with stack.running(*SERVERS), proxy.running():
                yield Way(stack, proxy, behind, hook)
                laws.check(proxy)
    finally:
        stack.tempo.stop()


def test_a_spike_of_errors_reaches_the_webhook_and_is_called_off_when_it_is_over(way: Way) -> None:
    way.send(FAILED, 529, OVERLOADED)
    alert = way.told(SPIKE, "firing")
    assert alert.labels == {"alertname": SPIKE, "endpoint": "default", "family": "errors", "severity": "page"}
    assert alert.annotations["summary"] == "Requests to default fail"
    assert alert.annotations["description"].startswith("100% of the requests to default failed")
    way.send(GOOD, 200, MESSAGE)
    way.told(SPIKE, "resolved")


def test_what_only_logs_tell_reaches_the_webhook(way: Way) -> None:
    way.send(5, 401, NOT_KNOWN)
    alert = way.told(REFUSED, "firing")
    assert alert.labels["key"].startswith("caller-")
    assert alert.annotations == {
        "summary": f"The upstream refuses key {alert.labels['key']}",
        "description": f"Key {alert.labels['key']} was refused 5 times at default in the last 15 minutes,"
        " as not known or not allowed.",
        "runbook_url": loki_alerts()[REFUSED].annotations["runbook_url"],
    }


@pytest.mark.parametrize(
    ("fires", "gives_way", "labels"),
    [
        (SPIKE, "AnthropicProxyUpstreamFails", {"endpoint": "a"}),
        ("AnthropicProxyErrorBudgetBurn", "AnthropicProxyObjectiveMissed", {"endpoint": "c"}),
        ("AnthropicProxyWindowNearlyFull", "AnthropicProxyWindowFilling", {"account": "a", "window": "5h"}),
        ("AnthropicProxyBudgetSpent", "AnthropicProxyBudgetNearlySpent", {"scope": "key", "name": "a", "kind": "usd"}),
        ("AnthropicProxyLedgerDiskFull", "AnthropicProxyLedgerDiskLow", {}),
        ("AnthropicProxyDown", "AnthropicProxyHealthMissing", {}),
        ("AnthropicProxyTargetDown", "AnthropicProxyCollectorQueueFilling", {}),
        ("AnthropicProxyDown", "AnthropicProxyLoopStalls", {}),
    ],
)
def test_the_lesser_alert_gives_way_to_the_greater_one_of_the_same_thing(
    way: Way, fires: str, gives_way: str, labels: dict[str, str]
) -> None:
    other = {**labels, **{name: value * 2 for name, value in list(labels.items())[:1]}}
    _raise(way.stack, [(fires, labels), (gives_way, labels), (gives_way, other)])
    lesser = _identity(gives_way, labels)
    # Alertmanager takes alerts in and looks what they silence one after the other.
    wait_until(lambda: bool(_inhibited(way.stack)[lesser]), f"{gives_way} to give way", _TOLD_SECONDS)
    inhibited = _inhibited(way.stack)
    assert not inhibited[_identity(fires, labels)]
    assert other == labels or not inhibited[_identity(gives_way, other)]


def test_loss_does_not_give_way_to_who_is_down(way: Way) -> None:
    _raise(way.stack, [("AnthropicProxyTargetDown", {}), ("AnthropicProxyCollectorLoses", {})])
    assert not _inhibited(way.stack)[_identity("AnthropicProxyCollectorLoses", {})]


def test_without_an_address_messages_end_quietly_at_the_collectors_health_page(way: Way) -> None:
    """Its own port stands for the one of the first start."""
    assert SECRETS["alert_webhook_url"].first() == COLLECTORS_HEALTH
    nowhere = f"http://127.0.0.1:{way.stack.ports.collector_health}/"
    way.stack.secret("alert_webhook_url").write_text(f"{nowhere}\n")
    server = prometheus(way.stack.prometheus)
    sent = 'sum(alertmanager_notifications_total{integration="webhook"})'
    before = server.value(sent, time.time())
    _raise(way.stack, [("AnthropicProxyAlertingBroken", {})])
    wait_until(lambda: server.value(sent, time.time()) > before, "a message", _TOLD_SECONDS)
    failed = "sum(alertmanager_notifications_failed_total) + sum(alertmanager_notification_requests_failed_total)"
    assert server.value(failed, time.time()) == 0


class _Status(msgspec.Struct, rename="camel"):
    inhibited_by: list[str]


class _Known(msgspec.Struct):
    labels: dict[str, str]
    status: _Status


def _identity(name: str, labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    rule = {**prometheus_alerts(), **loki_alerts()}[name]
    return frozenset({"alertname": name, **rule.labels, **labels}.items())


def _raise(stack: Stack, raised: list[tuple[str, dict[str, str]]]) -> None:
    """Tells Alertmanager of alerts, as Prometheus would."""
    body = json.dumps([{"labels": dict(_identity(name, labels))} for name, labels in raised]).encode()
    asked = urllib.request.Request(
        f"{stack.alertmanager}/api/v2/alerts", body, {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(asked, timeout=_ANSWER_SECONDS) as answer:
        assert answer.status == 200


def _inhibited(stack: Stack) -> dict[frozenset[tuple[str, str]], list[str]]:
    """Of every alert that Alertmanager has: which others keep it back."""
    with urllib.request.urlopen(f"{stack.alertmanager}/api/v2/alerts", timeout=_ANSWER_SECONDS) as answer:
        known = msgspec.json.decode(answer.read(), type=list[_Known])
    return {frozenset(one.labels.items()): one.status.inhibited_by for one in known}
