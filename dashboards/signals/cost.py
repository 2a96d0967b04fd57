"""Money, in US dollars at list prices."""

from __future__ import annotations

from dashboards.signals.signal import SELECTED, Signal, increase, rate

COST = "proxy_cost_total"

TOTAL = Signal(f"sum({increase(COST, SELECTED)})", "currencyUSD", "cost")
PER_HOUR_BY_MODEL = Signal(f"sum by (model) ({rate(COST, SELECTED)}) * 3600", "currencyUSD", "{{model}}")
BY_MODEL = Signal(f"topk(10, sum by (model) ({increase(COST, SELECTED)}))", "currencyUSD", "{{model}}")
BY_ENDPOINT = Signal(f"topk(10, sum by (endpoint) ({increase(COST, SELECTED)}))", "currencyUSD", "{{endpoint}}")
