"""The record: all that is known of one accepted request, and what can be derived from it.

Plain data and arithmetic. Field names are the names used in the ledger, the JSON API and the logs.
`None` always means "not known", never zero. Durations are milliseconds since the request was accepted.
"""

from __future__ import annotations

from proxy.exchange.limits import LimitReading, WindowReading
from proxy.exchange.parts import Attempt, Headers, Hop, Outcome, Usage, UsageSource
from proxy.exchange.record import Exchange

__all__ = [
    "Attempt",
    "Exchange",
    "Headers",
    "Hop",
    "LimitReading",
    "Outcome",
    "Usage",
    "UsageSource",
    "WindowReading",
]
