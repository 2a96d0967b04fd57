"""What each panel that calculates must show of the installation in `made_up`."""

from __future__ import annotations

Panel = tuple[str, str]
"""Title and legend; the legend of a table's query is the title of its column."""


def _by(name: str, **values: float) -> dict[str, float]:
    return {f'{{{name}="{label}"}}': value for label, value in values.items()}


def _alone(value: float) -> dict[str, float]:
    return {"{}": value}


def _windows(**values: float) -> dict[str, float]:
    """By account and window: `x_5h`."""
    parts = {tuple(name.split("_")): value for name, value in values.items()}
    return {f'{{account="{account}",window="{window}"}}': value for (account, window), value in parts.items()}


def _limits(requests: float, tokens: float) -> dict[str, float]:
    return {'{account="x",kind="requests"}': requests, '{account="x",kind="tokens"}': tokens}


_LEFT = {'{account="x",kind="requests"}': 0.4}
_USED = _windows(x_5h=40, x_7d=60)
_RESETS_IN = _windows(x_5h=600, x_7d=72_000)

_REQUESTS: dict[Panel, dict[str, float]] = {
    ("Failed", "failed"): _alone(2 / 8),
    ("Failed Requests", "failed"): _alone(2 / 8),
    ("Slow Requests Take", "p95"): _alone(195),
    ("Requests by Outcome", "{{outcome}}"): _by(
        "outcome", ok=360, truncated=60, upstream_error=360, client_disconnected=180
    ),
    ("Requests by Status Code", "{{status_code}}"): _by("status_code", **{"200": 600, "400": 300, "500": 60}),
}
_MONEY: dict[Panel, dict[str, float]] = {
    ("Cost of 30 Days", "30 days"): _alone(3 * 18_000 * 30 * 4),
    ("Without a Price", "requests without a price"): _alone(0),
    ("Cost per Hour by Billing", "{{billing}}"): _by("billing", pay_as_you_go=7_200, subscription=3_600),
    ("Cost per Hour by Model", "{{model}}"): _by("model", m=7_200, n=3_600),
    ("Cost per Hour by Endpoint", "{{endpoint}}"): _by("endpoint", a=7_200, b=3_600),
    ("Billed in the Last Hour", "billed in the last hour"): _alone(7_200),
    ("Billed in the Last Hour", "objective"): _alone(19),
}
_TOKENS: dict[Panel, dict[str, float]] = {
    ("Tokens by Kind", "input, uncached"): _alone(360),
    ("Tokens by Kind", "cache write, 5 minutes"): _alone(60),
    ("Tokens by Kind", "cache write, 1 hour"): _alone(60),
    ("Tokens by Kind", "cache read"): _alone(600),
    ("Tokens by Kind", "output, shown"): _alone(180),
    ("Tokens by Kind", "output, reasoning"): _alone(60),
    ("Tokens by Model", "in: {{model}}"): _by("model", m=240, n=120),
    ("Tokens by Model", "out: {{model}}"): _by("model", m=180, n=60),
    ("Cache Tokens by Model", "read: {{model}}"): _by("model", m=600, n=0),
    ("Cache Tokens by Model", "write {{ttl}}: {{model}}"): {
        '{model="m",ttl="5m"}': 60,
        '{model="m",ttl="1h"}': 60,
    },
    ("Tokens by Model", "Cache hits"): _by("model", m=10 / 16, n=0),
    ("Cache Hits", "from the cache"): _alone(10 / 18),
    ("Cache Hits over Time", "all models"): _alone(10 / 18),
    ("Cache Hits over Time", "{{model}}"): _by("model", m=10 / 16, n=0),
    ("Cache Hits against the Usual", "{{endpoint}}"): _by("endpoint", a=0.25),
    ("Cache Hits against the Usual", "{{endpoint}}: too low"): _by("endpoint", a=0.75 / 2),
    ("Reads per Write", "tokens read per token written"): _alone(5),
    ("Reads per Write by Model", "{{model}}"): _by("model", m=5),
}
_LIMITS: dict[Panel, dict[str, float]] = {
    ("5h Utilization", "5h"): _alone(40),
    ("7d Utilization", "7d"): _alone(60),
    ("Utilization Over Time", "5h"): _alone(40),
    ("Utilization Over Time", "7d"): _alone(60),
    ("Window Resets In", "5h"): _alone(600),
    ("Window Resets In", "7d"): _alone(72_000),
    ("Fullest Window", "5h"): _alone(40),
    ("Fullest Window", "7d"): _alone(60),
    ("Fullest Window", "used"): _alone(60),
    ("Runs Out In", "until a window is full"): _alone(300),
    ("Oldest Reading", "since the oldest reading"): _alone(2_000),
    ("Windows of Every Account", "Used"): _USED,
    ("Windows of Every Account", "Resets at"): _windows(x_5h=18_600_000, x_7d=90_000_000, y_5h=17_000_000),
    ("Windows of Every Account", "Resets in"): _RESETS_IN,
    ("Windows of Every Account", "Runs out at"): _windows(x_5h=18_300_000, x_7d=80_000_000),
    ("Windows of Every Account", "Read ago"): _windows(x_5h=100, x_7d=200, y_5h=2_000, z_5h=3_000),
    ("Windows of Every Account", "Reading"): _windows(x_5h=2, x_7d=2, y_5h=1, z_5h=0),
    ("Windows by Account", "Used"): _USED,
    ("Windows by Account", "Resets in"): _RESETS_IN,
    ("Windows by Account", "Runs out in"): _windows(x_5h=300, x_7d=62_000),
    ("Windows by Account", "Read ago"): _windows(x_5h=100, x_7d=200, y_5h=2_000),
    ("Windows over Time", "{{window}} {{account}}"): _USED,
    ("Windows over Time", "much is used"): _alone(20),
    ("Windows over Time", "nearly full"): _alone(21),
    ("Age of Readings", "{{account}}"): _by("account", x=100, y=2_000),
    ("Age of Readings", "stale while requests go on"): _alone(22),
    ("Per-Minute Limits", "Left"): _LEFT,
    ("Per-Minute Limits", "Remaining"): _limits(20, 0),
    ("Per-Minute Limits", "Limit"): _limits(50, 0),
    ("Left of Per-Minute Limits", "{{account}}: {{kind}}"): _LEFT,
    ("Per-Minute Limits Left", "{{account}}: {{kind}}"): _LEFT,
    ("429 Answers", "answers 429"): _alone(2 * 18_000),
    ("429 by Endpoint and Type", "{{endpoint}}: {{error_type}}"): {'{endpoint="a",error_type="rate_limit_error"}': 120},
    ("Cooling Down", "cooling down"): _alone(1),
    ("Pauses", "{{credential}}"): _by("credential", x=0, y=1, z=1),
}
_OBJECTIVES: dict[Panel, dict[str, float]] = {
    ("Failures by Endpoint", "{{endpoint}}"): _by("endpoint", a=0.0625),
    ("Failures by Endpoint", "objective"): _alone(0.25),
    ("Duration by Endpoint (p95)", "{{endpoint}}"): _by("endpoint", a=11),
    ("Duration by Endpoint (p95)", "objective"): _alone(13),
    ("First Token by Endpoint (p95)", "{{endpoint}}"): _by("endpoint", a=15),
    ("First Token by Endpoint (p95)", "objective"): _alone(17),
    ("Error Budget Burn", "{{endpoint}}"): _by("endpoint", a=0.03125 / 0.25),
    ("Objectives", "Success, 3 days"): _by("endpoint", a=1 - 0.015625),
    ("Objectives", "Objective"): _by("endpoint", a=0.75, b=0.5),
    ("Objectives", "Budget left, 3 days"): _by("endpoint", a=1 - 0.015625 / 0.25),
    ("Objectives", "Duration p95, 1 hour"): _by("endpoint", a=12),
    ("Objectives", "Duration objective"): _by("endpoint", a=13, b=14),
    ("Objectives", "First token p95, 1 hour"): _by("endpoint", a=16),
    ("Objectives", "First token objective"): _by("endpoint", a=17, b=18),
    ("Alerts Firing", "alerts"): _alone(5),
    ("Firing Alerts", "Series"): {'{alertname="A",severity="page"}': 2},
}
_HEALTH: dict[Panel, dict[str, float]] = {
    ("Targets", "{{job}}"): _by("job", j=0, k=1),
    ("Deliveries", "{{signal}}"): _by("signal", logs=0),
    ("Folded Series", "folded series"): _alone(1),
    ("Open Requests", "open requests"): _alone(8),
    ("Export Lag", "{{signal}}"): _by("signal", logs=5),
    ("Failed Deliveries", "{{signal}}"): _by("signal", logs=180),
    ("Lost by Reason", "{{reason}}"): _by("reason", full=180),
    ("Dead Letters", "Records"): {'{reason="full",signal="logs"}': 3 * 18_000},
    ("Ledger and Its Disk", "ledger"): _alone(8),
    ("Ledger and Its Disk", "free on its disk"): _alone(3),
    ("Collector Queues", "{{exporter}}"): _by("exporter", e=0.75),
    ("Samples Refused by the Servers", "Loki: {{reason}}"): _by("reason", late=180),
    ("Samples Refused by the Servers", "Prometheus: too old"): _alone(180),
    ("Load of the Rules", "Prometheus"): _alone(0.75),
    ("Load of the Rules", "Loki"): _alone(0.75),
    ("Collector Memory", "collector"): _alone(5),
    ("Series", "series in memory"): _alone(5),
}
VALUES = _REQUESTS | _MONEY | _TOKENS | _LIMITS | _OBJECTIVES | _HEALTH
"""By labels as in `{name="value"}`; `{}` is what has none."""
