"""What is marked on the time axes: answers 429 and the pauses of credentials."""

from __future__ import annotations

from dashboards.signals.signal import SERVICE

RATE_LIMITED = f'{SERVICE} |= "upstream error" | status="429"'
COOLING = "min by (credential) (min_over_time(proxy_credential_active[$__interval])) == bool 0"
"""1 while a credential may not be used, else 0: Grafana draws neighbouring 1 as one region."""
