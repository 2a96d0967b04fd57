"""The record: all that is known of one accepted request, and what can be derived from it.

Plain data and arithmetic. Field names are the names used in the ledger, the JSON API and the logs.
`None` always means "not known", never zero. Durations are milliseconds since the request was accepted.
"""

from __future__ import annotations

from proxy.exchange.limits import LimitReading as LimitReading
from proxy.exchange.limits import WindowReading as WindowReading
from proxy.exchange.parts import Attempt as Attempt
from proxy.exchange.parts import Headers as Headers
from proxy.exchange.parts import Hop as Hop
from proxy.exchange.parts import Outcome as Outcome
from proxy.exchange.parts import Usage as Usage
from proxy.exchange.parts import UsageSource as UsageSource
from proxy.exchange.record import Exchange as Exchange
