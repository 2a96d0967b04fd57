"""Every table of the pages by its name."""

from __future__ import annotations

from docs import api, commands, settings, telemetry
from docs.regions import Table


def tables() -> dict[str, Table]:
    """Name of a marked part → what makes it."""
    return {
        "api-paths": api.paths,
        "api-filters": api.filters,
        "api-fields": api.fields,
        "api-timings": api.timings,
        "api-lists": api.lists,
        "commands": commands.commands,
        "log-fields": telemetry.log_fields,
        "most-series": telemetry.most_series,
        "metrics": telemetry.metrics,
        "health-metrics": telemetry.health_metrics,
        "buckets": telemetry.buckets,
        "resource-attributes": telemetry.resource_attributes,
        "settings": settings.settings,
        "span-attributes": telemetry.span_attributes,
    }
