"""*Limits and credentials*: windows of every account, who used them, per-minute limits, refusals and pauses."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge

from dashboards import house, links, tables, variables
from dashboards.annotations import every_annotation
from dashboards.house import (
    FULL,
    GRAY,
    GREEN,
    NO_READING,
    ORANGE,
    RED,
    bars,
    dashed,
    graded,
    lines,
    number,
    ranking,
    rows,
)
from dashboards.page import Page, Section, band, section
from dashboards.signals import limits, logged
from dashboards.signals.limits import CURRENT, GONE, RESET
from dashboards.signals.signal import Source
from dashboards.signals.windows import FIVE_HOURS, SEVEN_DAYS, Window

_NO_PAUSE = "No account with windows has answered yet"
_LEFT = ((None, RED), (0.05, ORANGE), (0.2, GREEN))
_USERS = {"Keys": ("key", "key"), "Sessions": ("session_id", "session"), "Models": ("model", "model")}
"""What → field of log lines, filter of the page of requests."""
_REFUSED = (
    *(tables.ERROR_TYPE, tables.ERROR_MESSAGE, tables.ACCOUNT, tables.KEY, tables.MODEL, tables.ENDPOINT),
    *(tables.SESSION, tables.INSPECTOR, tables.TRACE),
)


def page() -> Page:
    """The dashboard."""
    return Page(
        uid=links.LIMITS,
        title="Limits and credentials",
        description="Rate-limit windows and per-minute limits of every account, who uses them, and who has to wait.",
        sections=(_windows(), _users(), _minutes(), _refusals(), _pauses()),
        variables=[
            variables.source(Source.TEMPO),
            *variables.shared(),
            variables.key(),
            *variables.accounts(),
            *map(variables.account_age, (FIVE_HOURS, SEVEN_DAYS)),
        ],
        annotations=every_annotation(),
    )


def _windows() -> Section:
    table = rows(
        "Windows of Every Account",
        "What is known of each window. It runs out before its reset if use goes on as in this window so far. What is no"
        " longer reported was last heard of in this time range: the account was replaced, or the proxy is away.",
        *limits.WINDOWS,
        empty=NO_READING,
    )
    known = {
        CURRENT: ("current", GREEN),
        RESET: ("none since the reset", GRAY),
        GONE: ("no longer reported", GRAY),
    }
    used = lines(
        "Windows over Time",
        "How full each window was. At the dashes alerts fire; at 100 % the provider refuses until the reset.",
        *(limits.USED, limits.FILLING, limits.NEARLY_FULL),
        empty=NO_READING,
    )
    fresh = lines(
        "Age of Readings",
        "Time since each account last told of its windows. Readings come with answers: an idle account has old ones.",
        *(limits.READ_AGO, limits.STALE),
        empty=NO_READING,
    )
    return section(
        "Windows",
        band(
            4,
            number("Fullest Window", "The window with most use.", limits.FULLEST, steps=FULL, empty=NO_READING),
            number(
                "Runs Out In",
                "Time until the first window is full if use goes on as in it so far. Slow down what can wait.",
                limits.RUNS_OUT_IN,
                empty="No window is running out",
            ),
            number("Oldest Reading", "Age of the oldest reading.", limits.OLDEST_READING, empty=NO_READING),
            number(
                "Cooling Down",
                "Credentials, or accounts of callers, that the provider refuses until a window is reset.",
                limits.COOLING,
                steps=((None, GREEN), (1, RED)),
                empty=_NO_PAUSE,
            ),
            number("429 Answers", "Answers 429 in this time range.", limits.REFUSALS, steps=house.UNWANTED),
            number(
                "Cooldowns",
                "Pauses that began in this time range.",
                limits.COOLDOWNS,
                steps=house.UNWANTED,
                empty=house.NO_METRICS,
            ),
        ),
        band(9, tables.worded(graded(table, "Used", FULL), "Reading", known).sort_by([tables.most_first("Used")])),
        band(8, dashed(used, "^(much is used|nearly full)$").min(0), dashed(fresh, "^stale ").min(0), widths=(14, 10)),
    )


def _users() -> Section:
    return section(
        "Who used the windows",
        *(band(9, *(_user(window, what) for what in _USERS)) for window in (FIVE_HOURS, SEVEN_DAYS)),
    )


def _minutes() -> Section:
    table = rows(
        "Per-Minute Limits",
        "What API keys may use in a minute and what was left of it. Near 0 the provider answers 429 for a moment; what"
        " is left is forgotten some minutes after the last answer.",
        *limits.PER_MINUTE,
        empty="No per-minute limits: only answers to API keys carry them",
    )
    left = lines(
        "Left of Per-Minute Limits",
        "What was left of each limit, as a share of it.",
        limits.LEFT,
        empty="No per-minute limits: only answers to API keys carry them",
    )
    return section(
        "Per-minute limits",
        band(8, graded(table, "Left", _LEFT).sort_by([tables.least_first("Left")]), left.min(0).max(1)),
    )


def _refusals() -> Section:
    over_time = bars(
        "429 by Endpoint and Type",
        "Answers 429 per minute. rate_limit_error: a limit of the account; the list has the provider's words.",
        limits.REFUSALS_PER_MINUTE,
        empty="No answer 429 in this time range",
    )
    words = tables.log_rows(
        "429 in Words",
        "Every answer 429, with what the provider said and to whom.",
        logged.listed(limits.REFUSAL_LINES),
        *_REFUSED,
        empty="No answer 429 in this time range",
    )
    refused = links.requests("Requests refused", endpoint="${__field.labels.endpoint}", status="429")
    return section("Refusals", band(9, over_time.data_links([refused]), words, widths=(8, 16)))


def _pauses() -> Section:
    lanes = house.states(
        "Pauses",
        "From when to when each credential, or account of callers, was refused. Nothing: nothing was known of it.",
        limits.ACTIVE,
        {1: ("may be used", GREEN), 0: ("cooling down", ORANGE)},
        empty=_NO_PAUSE,
    )
    reasons = ranking(
        "Cooldowns by Reason",
        "How often credentials had to pause in this time range, and why.",
        limits.COOLDOWNS_BY_REASON,
        empty="No credential had to pause",
    )
    return section("Pauses", band(8, lanes, reasons, widths=(16, 8)))


def _user(window: Window, what: str) -> bargauge.Panel:
    field, variable = _USERS[what]
    panel = ranking(
        f"{what} in the {window.name} Window",
        f"The ten {what.lower()} with most tokens since the {window.name} window of the chosen accounts began, the"
        " earliest of them if there are several; cache and answers included.",
        limits.used_by(window, field),
        empty="No account with windows was used in this window",
    )
    return links.to_requests(panel, field, variable, (*links.SHARED_FILTERS, "key"))
