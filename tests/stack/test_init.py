"""The address that alerts have until somebody names one: the health page of the real collector, which forgets them."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from init.first_start import SECRETS
from tests.stack.running import prepared_stack


def test_a_notification_that_nobody_wants_is_taken(tmp_path: Path) -> None:
    first = urlsplit(SECRETS["alert_webhook_url"].first())
    assert (first.hostname, first.port) == ("otel-collector", 13133)
    stack = prepared_stack(tmp_path)
    with stack.running("otel-collector"):
        here = f"http://127.0.0.1:{stack.ports.collector_health}{first.path}"
        notification = urllib.request.Request(here, b'{"alerts": []}', {"content-type": "application/json"})
        with urllib.request.urlopen(notification, timeout=5) as taken:
            assert taken.status == 200
