"""Grafana's dashboards as code: signals (queries), panels of one house style, pages. `python -m dashboards` writes."""

import warnings

# Grafana takes only classic dashboards from files, and the SDK warns when their models are imported:
# https://github.com/grafana/grafana/issues/127928
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Prefer using dashboardv2.Dashboard", DeprecationWarning)
    import grafana_foundation_sdk.builders.dashboard
    import grafana_foundation_sdk.models.dashboardv2beta1  # noqa: F401
