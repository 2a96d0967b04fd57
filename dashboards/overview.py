"""*Overview*, the home page: how much, how well, how fast and for how much money, and what was promised."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from dashboards import house, links, variables
from dashboards.annotations import every_annotation
from dashboards.house import FULL, bars, dashed, lines, number, ranking, rows
from dashboards.page import Page, Section, band, section
from dashboards.signals import cost, health, objectives, requests, times, windows

_OF_ENDPOINT: list[Builder[dashboard.DashboardLink]] = [links.requests(endpoint="${__field.labels.endpoint}")]
_QUIET = "Nothing was judged yet: the recording rules need some minutes of requests"


def page() -> Page:
    """The dashboard."""
    return Page(
        uid=links.OVERVIEW,
        title="Overview",
        description="How much goes through the proxy, how well, how fast and for how much; start here.",
        sections=(_now(), _red(), _objectives(), _top()),
        variables=variables.shared(),
        annotations=every_annotation(),
    )


def _now() -> Section:
    today = number("Cost Today", "List price of what was asked since midnight, in your time zone.", cost.TOTAL)
    alerts = number(
        "Alerts Firing",
        "Alerts that fire now and are not silenced; docs/runbooks.md says what to do about each.",
        objectives.FIRING_COUNT,
        steps=((None, house.GREEN), (1, house.RED)),
        empty="Nothing scraped from Alertmanager",
    )
    window = number(
        "Fullest Window",
        "The 5-hour and the 7-day window of the main account, in percent. At 100 % the provider refuses.",
        *map(windows.utilization, (windows.FIVE_HOURS, windows.SEVEN_DAYS)),
        steps=FULL,
        empty=house.NO_READING,
    )
    return section(
        "At a glance",
        band(
            5,
            number("Requests", "Requests that ended in this time range.", requests.TOTAL),
            number(
                "Failed",
                "Share that failed of the requests in this time range; those that their clients left, the proxy refused"
                " or a 4xx answered do not count.",
                requests.FAILURES,
            ).links([links.requests()]),
            number("Slow Requests Take", "95 of 100 requests were faster than this.", times.duration_of_all(0.95)),
            number("Open Requests", "Requests being relayed now.", health.OPEN, empty=house.NO_HEALTH),
            today.time_from("now/d").links([links.page(links.COST, "Cost and cache")]),
            window.links([links.page(links.WINDOWS, "Windows")]),
            alerts,
            widths=(4, 3, 3, 3, 4, 4, 3),
        ),
    )


def _red() -> Section:
    failing = lines(
        "Failures by Endpoint",
        "Share of requests that failed, and the share that the objective allows. Above the dashes the error budget goes"
        " faster than it should.",
        *(objectives.FAILURES, objectives.FAILURES_ALLOWED),
        empty=_QUIET,
    )
    slow = lines(
        "Duration by Endpoint (p95)",
        "Time within which 95 of 100 requests were over for the client, and the strictest objective.",
        *(objectives.DURATION, objectives.DURATION_ALLOWED),
        empty=_QUIET,
    )
    first = lines(
        "First Token by Endpoint (p95)",
        "Time within which 95 of 100 streams showed something, and the strictest objective.",
        *(objectives.FIRST_TOKEN, objectives.FIRST_TOKEN_ALLOWED),
        empty=_QUIET,
    )
    latency = lines(
        "Request Latency (p50/p95/p99)",
        "Time until a request was over for the client. A dot is a request with its trace: follow it.",
        *map(times.duration, (0.5, 0.95, 0.99)),
    )
    outcomes = bars(
        "Requests by Outcome",
        "Requests per minute by how they ended. Anything but ok: open the requests behind it.",
        requests.PER_MINUTE_BY_OUTCOME,
    )
    return section(
        "Rate, errors, duration",
        band(
            8,
            lines("Request Rate", "Requests per second by endpoint.", requests.RATE_BY_ENDPOINT).data_links(
                _OF_ENDPOINT
            ),
            outcomes.data_links([links.requests(outcome="${__field.labels.outcome}")]),
            dashed(failing, "^objective$").data_links(_OF_ENDPOINT),
        ),
        band(8, latency, dashed(slow, "^objective$"), dashed(first, "^objective$")),
    )


def _objectives() -> Section:
    scores = rows(
        "Objectives",
        "What was promised for each endpoint and what was kept. A negative budget: more failed in three days than may."
        " The numbers and their reasons are in prometheus/rules/objectives.yaml.",
        *objectives.SCORES,
        empty=_QUIET,
    )
    burn = lines(
        "Error Budget Burn",
        "How many times faster than allowed the last hour spent the error budget; 1 is just as fast as allowed.",
        objectives.BURN,
        empty=_QUIET,
    )
    firing = rows(
        "Firing Alerts",
        "What fires now by Prometheus; each has a runbook of its name. Alerts of log lines are in Alertmanager only.",
        objectives.FIRING,
        empty="None",
    )
    return section("Objectives and alerts", band(8, scores, burn, firing, widths=(12, 6, 6)))


def _top() -> Section:
    return section(
        "Most used",
        band(
            8,
            ranking("Endpoints by Requests", "The ten endpoints with most requests.", requests.BY_ENDPOINT).data_links(
                _OF_ENDPOINT
            ),
            links.to_requests(
                ranking("Models by Requests", "The ten models with most requests.", requests.BY_MODEL),
                "model",
                unknown=links.OTHER,
            ),
            ranking("Endpoints by Cost", "The ten endpoints that cost most.", cost.BY_ENDPOINT).data_links(
                _OF_ENDPOINT
            ),
            links.to_requests(
                ranking("Models by Cost", "The ten models that cost most.", cost.BY_MODEL),
                "model",
                unknown=links.OTHER,
            ),
        ),
    )
