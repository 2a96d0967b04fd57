"""What is marked on the time axes: answers 429 and the pauses of credentials."""

from __future__ import annotations

from dashboards.signals.signal import SERVICE

RATE_LIMITED = f'{SERVICE} |= "upstream error" | status="429"'
COOLING = "proxy_credential_active == bool 0"
"""1 while a credential may not be used, else 0."""
