"""*Anthropic Proxy*: rate-limit windows, and the traffic that fills them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import gauge, timeseries

from dashboards import links, variables
from dashboards.annotations import every_annotation
from dashboards.house import BLUE, FULL, GREEN, NO_READING, RED, YELLOW, bars, colored, dial, limits, lines, number
from dashboards.page import Page, Section, band, section
from dashboards.signals import requests, windows
from dashboards.signals.signal import Source
from dashboards.signals.windows import FIVE_HOURS, SEVEN_DAYS, Window


def page() -> Page:
    """The dashboard."""
    return Page(
        uid="anthropic-proxy-windows",
        title="Anthropic Proxy",
        description="Rate-limit windows of the account, the tokens that fill them, and the traffic of the proxy.",
        sections=(_windows(), _traffic()),
        variables=[
            *map(variables.source, Source),
            *variables.filters(),
            *map(variables.window_age, (FIVE_HOURS, SEVEN_DAYS)),
        ],
        annotations=every_annotation(),
    )


def _windows() -> Section:
    return section(
        "Windows",
        band(
            6,
            _dial(FIVE_HOURS),
            _dial(SEVEN_DAYS),
            number(
                "Window Tokens In",
                "Uncached input tokens since the windows began. They start again when a window does.",
                *(windows.tokens(window, "input_tokens") for window in (FIVE_HOURS, SEVEN_DAYS)),
            ),
            number(
                "Window Tokens Out",
                "Output tokens since the windows began. They start again when a window does.",
                *(windows.tokens(window, "output_tokens") for window in (FIVE_HOURS, SEVEN_DAYS)),
                steps=((None, GREEN),),
            ),
        ),
        band(
            8,
            limits(
                lines(
                    "Utilization Over Time",
                    "How full the windows were. Above 95 % slow down: at 100 % the provider refuses until the reset.",
                    *map(windows.utilization, (FIVE_HOURS, SEVEN_DAYS)),
                    empty=NO_READING,
                ),
                FULL,
            ).min(0),
        ),
        band(8, _tokens(FIVE_HOURS), _tokens(SEVEN_DAYS)),
    )


def _traffic() -> Section:
    by_status = bars(
        "Requests by Status Code",
        "Requests per minute by HTTP status. Red and yellow bars: open the requests behind them.",
        requests.RATE_BY_STATUS,
    )
    return section(
        "Traffic",
        band(
            8,
            lines("Request Rate", "Requests per second, streamed and not.", requests.RATE_BY_STREAM, requests.RATE),
            colored(by_status, {"2..": GREEN, "4..": YELLOW, "5..": RED}).links([links.requests()]),
        ),
    )


def _dial(window: Window) -> gauge.Panel:
    description = (
        f"Percent of the {window.name} window used, as the provider last said. At 100 % it refuses until the reset."
    )
    return dial(f"{window.name} Utilization", description, windows.utilization(window))


def _tokens(window: Window) -> timeseries.Panel:
    panel = lines(
        f"{window.name} Window Tokens",
        f"Tokens since the {window.name} window began, by model; input includes cache writes and reads.",
        *(
            windows.cumulative(window, direction, by_model=by_model)
            for direction in windows.TOKEN_COUNTERS
            for by_model in (False, True)
        ),
    )
    return colored(panel, {"^IN: ": BLUE, "^OUT: ": GREEN}).time_from(window.age).hide_time_override(True)
