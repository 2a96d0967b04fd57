"""What alerts go through: servers in a hurry, their rules and alerts over their APIs, a webhook that remembers."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from tests.stack.running import Stack

_WAITS = re.compile(r"\b((?:evaluation_|scrape_)?interval|for|keep_firing_for|group_wait|group_interval): \d+[smh]\b")
_ANSWER_SECONDS = 10


class Rule(msgspec.Struct):
    """A rule as a server has it."""

    name: str
    type: str
    health: str
    last_error: str = msgspec.field(name="lastError", default="")


class Alert(msgspec.Struct):
    """An alert as Prometheus, Loki or a message of Alertmanager tell it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str = ""
    """`pending` or `firing`; empty in messages, which have `status`."""
    status: str = ""

    @property
    def name(self) -> str:
        """Of its rule."""
        return self.labels["alertname"]


class Message(msgspec.Struct):
    """What Alertmanager sends to a webhook."""

    status: str
    alerts: list[Alert]


class _Group(msgspec.Struct):
    rules: list[Rule]


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _Alerts(msgspec.Struct):
    alerts: list[Alert]


class _RulesReply(msgspec.Struct):
    data: _Groups


class _AlertsReply(msgspec.Struct):
    data: _Alerts


def hurry(stack: Stack) -> None:
    """Makes the copies of all configuration wait for a second where they wait for longer; nothing else changes."""
    for name in ("prometheus", "loki", "alertmanager"):
        for path in (stack.folder / "etc" / name).rglob("*.yaml"):
            path.write_text(_WAITS.sub(r"\1: 1s", path.read_text("utf-8")), encoding="utf-8")


def rules(api: str) -> list[Rule]:
    """All rules of the Prometheus or Loki whose Prometheus-like API is at this address."""
    answer = msgspec.json.decode(_get(f"{api}/api/v1/rules"), type=_RulesReply)
    return [rule for group in answer.data.groups for rule in group.rules]


def alerts(api: str) -> list[Alert]:
    """All pending and firing alerts of the same."""
    return msgspec.json.decode(_get(f"{api}/api/v1/alerts"), type=_AlertsReply).data.alerts


@dataclass
class Webhook:
    """Takes messages and keeps them in the order of their arrival."""

    url: str
    messages: list[Message] = field(default_factory=list)

    def told(self, name: str, status: str) -> list[Alert]:
        """Every mention of an alert as `firing` or `resolved`."""
        told = [alert for message in self.messages for alert in message.alerts]
        return [alert for alert in told if (alert.name, alert.status) == (name, status)]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """One that listens while the block runs."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.messages.append(msgspec.json.decode(body, type=Message))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    hook = Webhook(f"http://127.0.0.1:{server.server_port}/alerts")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
        body: bytes = answer.read()
        return body
