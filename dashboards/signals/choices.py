"""What the filters offer: values of labels that Prometheus has had in the time range."""

from __future__ import annotations

ORGANIZATIONS = "label_values(proxy_endpoint_info, organization)"
ENDPOINTS = 'label_values(proxy_endpoint_info{organization=~"$organization"}, endpoint)'
ENDPOINTS_ELSEWHERE = 'label_values(proxy_endpoint_info{organization!~"$organization"}, endpoint)'
MODELS = "label_values(proxy_request_count_total, model)"
KEYS = "label_values(proxy_key_info, key)"
OUTCOMES = "label_values(proxy_request_count_total, outcome)"
STATUSES = "label_values(proxy_request_count_total, status_code)"
ACCOUNTS = "label_values(proxy_account_observed_at, account)"
