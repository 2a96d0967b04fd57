"""Every account, whichever is chosen: its windows and their forecast."""

from __future__ import annotations

from dashboards.signals.signal import Signal

_EACH = "max by (account, window)"

UTILIZATION = Signal(f"{_EACH} (proxy_account_utilization)", "percent", "Used")
RESETS_IN = Signal(f"{_EACH} (proxy_account_resets_at - time() > 0)", "s", "Resets in")
RUNS_OUT_IN = Signal(f"{_EACH} (proxy_account_exhausts_at - time() > 0)", "s", "Runs out in")
READ_AGO = Signal(f"{_EACH} (time() - proxy_account_observed_at)", "s", "Read ago")
