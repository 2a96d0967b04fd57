"""Limits of every account: windows and how sure they are, who used them, refusals, and credentials that pause."""

from __future__ import annotations

from dashboards.signals.logged import named, ten_largest
from dashboards.signals.requests import TOTAL
from dashboards.signals.signal import (
    COMPLETED,
    SELECTED_ENDPOINTS,
    UPSTREAM_ERROR,
    Signal,
    Source,
    increase,
    rate,
    zero_without,
)
from dashboards.signals.windows import Window

_CHOSEN = 'account=~"$account"'
_EACH = "max by (account, window)"
_UTILIZATION = f"proxy_account_utilization{{{_CHOSEN}}}"
_RESETS_AT = f"proxy_account_resets_at{{{_CHOSEN}}}"
_EXHAUSTS_AT = f"proxy_account_exhausts_at{{{_CHOSEN}}}"
_OBSERVED_AT = f"proxy_account_observed_at{{{_CHOSEN}}}"
_EVER_OBSERVED_AT = f"last_over_time({_OBSERVED_AT}[$__range])"
"""Also of accounts that are no longer reported."""

CURRENT, RESET, GONE = 2, 1, 0
"""What is known of a window: a reading that holds; none since its reset; nothing any more."""

WINDOWS = (
    Signal(f"{_EACH} ({_UTILIZATION})", "percent", "Used"),
    Signal(f"{_EACH} (last_over_time({_RESETS_AT}[$__range])) * 1000", "dateTimeAsLocalNoDateIfToday", "Resets at"),
    Signal(f"{_EACH} ({_RESETS_AT} - time() > 0)", "s", "Resets in"),
    Signal(f"{_EACH} ({_EXHAUSTS_AT}) * 1000", "dateTimeAsLocalNoDateIfToday", "Runs out at"),
    Signal(f"{_EACH} (time() - {_EVER_OBSERVED_AT})", "s", "Read ago"),
    Signal(
        f"{_EACH} ({_UTILIZATION} * 0 + {CURRENT}) or {_EACH} ({_OBSERVED_AT} * 0 + {RESET})"
        f" or {_EACH} ({_EVER_OBSERVED_AT} * 0 + {GONE})",
        "none",
        "Reading",
    ),
)
"""Columns of one table."""
FULLEST = Signal(f"max({_UTILIZATION})", "percent", "used")
RUNS_OUT_IN = Signal(f"min({_EXHAUSTS_AT} - time() > 0)", "s", "until a window is full")
OLDEST_READING = Signal(f"max(time() - max by (account) ({_OBSERVED_AT}))", "s", "since the oldest reading")

USED = Signal(f"{_EACH} ({_UTILIZATION})", "percent", "{{window}} {{account}}")
FILLING = Signal("max(objective:window_filling:percent)", "percent", "much is used")
NEARLY_FULL = Signal("max(objective:window_nearly_full:percent)", "percent", "nearly full")
READ_AGO = Signal(f"time() - max by (account) ({_OBSERVED_AT})", "s", "{{account}}")
STALE = Signal("max(objective:usage_reading_age:seconds)", "s", "stale while requests go on")

_LIMIT = "proxy_ratelimit_limit"
_REMAINING = "proxy_ratelimit_remaining"
PER_MINUTE = (
    Signal(f"max by (account, kind) ({_REMAINING} / ({_LIMIT} > 0))", "percentunit", "Left"),
    Signal(f"max by (account, kind) ({_REMAINING})", "short", "Remaining"),
    Signal(f"max by (account, kind) ({_LIMIT})", "short", "Limit"),
)
"""Columns of one table."""

LEFT = Signal(PER_MINUTE[0].expr, "percentunit", "{{account}}: {{kind}}")

_REFUSED = f'{SELECTED_ENDPOINTS},status_code="429"'
_REFUSALS = "proxy_upstream_errors_total"
REFUSALS = Signal(zero_without(f"sum({increase(_REFUSALS, _REFUSED)})", TOTAL.expr), "short", "answers 429")
REFUSALS_PER_MINUTE = Signal(
    f"sum by (endpoint, error_type) ({rate(_REFUSALS, _REFUSED)}) * 60", "short", "{{endpoint}}: {{error_type}}"
)
REFUSAL_LINES = f'{UPSTREAM_ERROR} | status="429"'

ACTIVE = Signal("min by (credential) (proxy_credential_active)", "none", "{{credential}}")
COOLING = Signal("sum(1 - min by (credential) (proxy_credential_active))", "short", "cooling down")
_PAUSES = increase("proxy_credential_cooldowns_total", "")
COOLDOWNS = Signal(f"sum({_PAUSES})", "short", "cooldowns")
COOLDOWNS_BY_REASON = Signal(f"sum by (credential, reason) ({_PAUSES})", "short", "{{credential}}: {{reason}}")


def age(window: Window) -> str:
    """Whole seconds since the earliest of the chosen accounts' windows began; its length while none is running."""
    running = f'min(proxy_account_resets_at{{{_CHOSEN},window="{window.name}"}} > time())'
    return f"floor(clamp({window.seconds} - ({running} - time()), 1, {window.seconds})) or vector({window.seconds})"


def used_by(window: Window, field: str) -> Signal:
    """The ten values of a field with most tokens in a window, cache and answers included; without: `(none)`.

    Of accounts that have windows: what API keys use fills none.
    """
    lines = f'{COMPLETED} | {_CHOSEN} | account=~"$windowed" | account!="" {named(field)}'
    sent, received = (
        f'sum by ({field}) (sum_over_time({lines} | unwrap {tokens} | __error__="" [${{account_age_{window.name}}}s]))'
        for tokens in ("input_tokens_total", "output_tokens")
    )
    return Signal(ten_largest(f"{sent} + {received}"), "short", f"{{{{{field}}}}}", Source.LOKI)
