"""Marks on the time axes, the same on every page."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as shape
from grafana_foundation_sdk.builders import loki, prometheus

from dashboards.house import ORANGE, RED, source_of
from dashboards.signals import events
from dashboards.signals.signal import Source


def rate_limited() -> shape.AnnotationQuery:
    """Each answer 429, with what the provider said."""
    marks = shape.AnnotationQuery().name("429 Rate Limits").datasource(source_of(Source.LOKI)).enable(True)
    return (
        marks.icon_color(RED)
        .expr(events.RATE_LIMITED)
        .target(loki.Dataquery().ref_id("A").expr(events.RATE_LIMITED).query_type("range").max_lines(100))
        .title_format("429 Rate Limited")
        .text_format("{{error_message}}")
        .tag_keys("endpoint,model,error_type")
    )


def cooldowns() -> shape.AnnotationQuery:
    """Each pause of a credential, from start to end."""
    marks = shape.AnnotationQuery().name("Cooldowns").datasource(source_of(Source.PROMETHEUS)).enable(True)
    return (
        marks.icon_color(ORANGE)
        .expr(events.COOLING)
        .target(prometheus.Dataquery().ref_id("A").expr(events.COOLING).range().interval("30s"))
        .title_format("Cooling down")
        .text_format("{{credential}} may not be used")
        .tag_keys("credential")
        .step("30s")
    )


def every_annotation() -> list[shape.AnnotationQuery]:
    """All of them."""
    return [rate_limited(), cooldowns()]
