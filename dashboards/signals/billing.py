"""Who pays for requests: by use or by subscription, at what pace, and by what the price is not known."""

from __future__ import annotations

from dashboards.signals.cost import COST
from dashboards.signals.requests import TOTAL
from dashboards.signals.signal import COMPLETED, SELECTED, SELECTED_MODELS, Signal, increase, rate, zero_without

_BY_USE = f'{SELECTED},billing="pay_as_you_go"'
_INCLUDED = f'{SELECTED},billing="subscription"'

BILLED = Signal(f"sum({increase(COST, _BY_USE)})", "currencyUSD", "billed by use")
INCLUDED = Signal(f"sum({increase(COST, _INCLUDED)})", "currencyUSD", "included in subscriptions")
IN_30_DAYS = Signal(f"sum({increase(COST, SELECTED)}) / $__range_s * 30 * 24 * 3600", "currencyUSD", "30 days")
PER_HOUR_BY_BILLING = Signal(f"sum by (billing) ({rate(COST, SELECTED)}) * 3600", "currencyUSD", "{{billing}}")
PER_HOUR_BY_ENDPOINT = Signal(f"sum by (endpoint) ({rate(COST, SELECTED)}) * 3600", "currencyUSD", "{{endpoint}}")

_BILLED_SO_FAR = f"{COST}{{{_BY_USE}}}"
_AN_HOUR_AGO = f"{_BILLED_SO_FAR} offset 1h or min_over_time({_BILLED_SO_FAR}[1h])"
LAST_HOUR = Signal(f"sum({_BILLED_SO_FAR} - ({_AN_HOUR_AGO}))", "currencyUSD", "billed in the last hour")
ALLOWED = Signal("max(objective:cost_usd:per_hour)", "currencyUSD", "objective")

_UNPRICED = increase("proxy_unpriced_requests_total", SELECTED_MODELS)
UNPRICED = Signal(zero_without(f"sum({_UNPRICED})", TOTAL.expr), "short", "requests without a price")
UNPRICED_LINES = f'{COMPLETED} | output_tokens!="" | cost_usd=""'
"""Log lines tell the model by the name that was asked for."""
