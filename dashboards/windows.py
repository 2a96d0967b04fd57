"""*Anthropic Proxy*: rate-limit windows, and the traffic that fills them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import gauge, timeseries

from dashboards import house, links, variables
from dashboards.annotations import every_annotation
from dashboards.house import BLUE, FULL, GREEN, NO_READING, RED, YELLOW, bars, colored, lines, number
from dashboards.page import Page, Section, band, section
from dashboards.signals import accounts, cost, health, limits, requests, times, tokens, windows
from dashboards.signals.windows import FIVE_HOURS, SEVEN_DAYS, Window

_BOTH = (FIVE_HOURS, SEVEN_DAYS)
_QUANTILES = (0.5, 0.95, 0.99)
_REQUESTS_OF_STATUS = links.requests(status="${__field.labels.status_code}")
_NO_LIMITS = "No per-minute limits: only answers to API keys carry them"


def page() -> Page:
    """The dashboard."""
    return Page(
        uid=links.WINDOWS,
        title="Anthropic Proxy",
        description="Rate-limit windows of the account, the tokens that fill them, and the traffic of the proxy.",
        sections=(_windows(), _accounts(), _traffic(), _spending(), _proxy()),
        variables=[
            *variables.shared(),
            variables.key(),
            *map(variables.window_age, _BOTH),
        ],
        annotations=every_annotation(),
    )


def _windows() -> Section:
    used = lines(
        "Utilization Over Time",
        "How full both windows were. Above 95 % slow down: at 100 % the provider refuses until the reset.",
        *map(windows.utilization, _BOTH),
        empty=NO_READING,
    )
    resets = number(
        "Window Resets In",
        "Time until the windows begin again. Without a reading, the token panels show the last 5 hours and 7 days.",
        *map(windows.resets_in, _BOTH),
        empty=NO_READING,
    )
    sent = number(
        "Window Tokens In",
        "Prompt tokens since the main account's windows began, of all accounts, cache writes and reads included.",
        *(windows.total(window, "input_tokens_total") for window in _BOTH),
    )
    received = number(
        "Window Tokens Out",
        "Output tokens since the main account's windows began, of all accounts, reasoning included.",
        *(windows.total(window, "output_tokens") for window in _BOTH),
        steps=((None, GREEN),),
    )
    return section(
        "Windows",
        band(6, *map(_dial, _BOTH), resets, sent, received, widths=(5, 5, 4, 5, 5)),
        band(8, house.limits(used.min(0).fill_opacity(15), FULL)),
        band(8, _tokens(FIVE_HOURS, GREEN), _tokens(SEVEN_DAYS, YELLOW)),
    )


def _accounts() -> Section:
    table = house.rows(
        "Windows by Account",
        "Every account that answered: how full its windows are, when they reset, and when they run out if use goes on"
        " as it does. An old reading means that the account was not used since.",
        *(accounts.UTILIZATION, accounts.RESETS_IN, accounts.RUNS_OUT_IN, accounts.READ_AGO),
        empty=NO_READING,
    )
    left = lines(
        "Per-Minute Limits Left",
        "What is left of the limits that API keys have, as a share. Near 0 the provider answers 429 for a minute.",
        limits.LEFT,
        empty=_NO_LIMITS,
    )
    return section("Accounts", band(8, house.graded(table, "Used", FULL), left.min(0).max(1)))


def _traffic() -> Section:
    by_status = bars(
        "Requests by Status Code",
        "Requests per minute by HTTP status. Yellow and red: open the requests behind them.",
        requests.PER_MINUTE_BY_STATUS,
    )
    errors = lines(
        "Error Rate",
        "Failed attempts and errors inside streams by type, and answers 4xx and 5xx. A rise of overloaded_error is the"
        " provider's; authentication_error is a caller's key.",
        *(requests.ERRORS_BY_TYPE, requests.ERRORS_BY_STATUS),
        empty="No errors in this time range",
    )
    rate = lines("Request Rate", "Requests per second, streamed or not.", requests.RATE_BY_STREAM, requests.RATE)
    latency = lines(
        "Request Latency (p50/p95/p99)",
        "Time until a request was over for the client. A dot is a request with its trace: follow it.",
        *map(times.duration, _QUANTILES),
    )
    return section(
        "Traffic",
        band(8, rate.fill_opacity(15), errors.fill_opacity(15).links([links.requests()])),
        band(8, latency, colored(by_status, {"^2": GREEN, "^4": YELLOW, "^5": RED}).data_links([_REQUESTS_OF_STATUS])),
        band(
            4,
            number("Total Requests", "Requests that ended in this time range.", requests.TOTAL),
            number(
                "Failed Requests",
                "Share that failed of the requests in this time range; those that their clients left, the proxy refused"
                " or a 4xx answered do not count.",
                requests.FAILURES,
            ),
            number(
                "Credential Cooldowns",
                "Times a credential or a caller's account had to pause in this time range; orange regions show when.",
                limits.COOLDOWNS,
                steps=house.UNWANTED,
                empty=house.NO_METRICS,
            ),
            number("Cost", "List price of the requests in this time range.", cost.TOTAL),
        ),
    )


def _spending() -> Section:
    return section(
        "Tokens, cost and cache",
        band(
            8,
            bars(
                "Tokens by Model",
                "Uncached input and output tokens per minute.",
                *(tokens.INPUT_PER_MINUTE, tokens.OUTPUT_PER_MINUTE),
            ),
            lines(
                "Request Body Size (p50/p95)",
                "Size of request bodies. Conversations that grow without end show here first.",
                *map(requests.body_size, (0.5, 0.95)),
            ),
        ),
        band(
            8,
            bars(
                "Cache Tokens by Model",
                "Prompt tokens per minute read from and written to the cache. Many writes and few reads: prompts change"
                " too early in their text.",
                *(tokens.CACHE_READ_PER_MINUTE, tokens.CACHE_CREATION_PER_MINUTE),
                empty="No cached prompts in this time range",
            ),
            bars(
                "Cost per Hour by Model", "Money per hour at the present rate, at list prices.", cost.PER_HOUR_BY_MODEL
            ),
        ),
    )


def _proxy() -> Section:
    lost = number(
        "Dropped Telemetry",
        "What was not recorded or not delivered for good, in this time range. Anything but 0: see Proxy Health.",
        health.DROPPED,
        steps=house.UNWANTED,
        empty=house.NO_HEALTH,
    )
    return section(
        "First token and overhead",
        band(
            8,
            lines(
                "Time to First Token (p50/p95/p99)",
                "From the end of sending a request upstream to the first content. A rise with the same prompts is the"
                " provider's.",
                *map(times.first_token, _QUANTILES),
                empty="No streams in this time range",
            ),
            lines(
                "Overhead of the Proxy (p50/p95/p99)",
                "Time the proxy itself added to a request. Some milliseconds are usual; more: see Proxy Health.",
                *map(times.overhead, _QUANTILES),
            ),
            lost,
            widths=(10, 10, 4),
        ),
    )


def _dial(window: Window) -> gauge.Panel:
    description = f"Percent of the {window.name} window used, as the provider last said. At 100 % it refuses."
    return house.dial(f"{window.name} Utilization", description, windows.utilization(window))


def _tokens(window: Window, answers: str) -> timeseries.Panel:
    panel = lines(
        f"{window.name} Window Tokens",
        f"Tokens of all accounts since the main account's {window.name} window began, added up: prompts with the part"
        " of the cache, and answers.",
        *windows.prompt(window),
        *windows.answer(window),
    )
    colored(panel.fill_opacity(20).span_nulls(True), {"^IN: ": BLUE, "^OUT: ": answers}, "shades")
    return panel.time_from(window.age).hide_time_override(True)
