"""*Requests*: single requests with everything known of them, found by filters, and ways on to inspector and trace."""

from __future__ import annotations

from dashboards import house, links, tables, variables
from dashboards.annotations import every_annotation
from dashboards.house import GRAY, GREEN, RED, bars, colored, lines, number, ranking
from dashboards.page import Band, Page, Section, band, section
from dashboards.signals import logged
from dashboards.signals.logged import BROKEN_OFF, CUT_OFF, FAILED, FOUND, FOUND_ERRORS, JUDGED, SLOW
from dashboards.signals.signal import Source

_NONE_FOUND = "No requests match the filters in this time range"
_NO_ERRORS = "No errors match the filters in this time range"
_CALL = (
    *(tables.STATUS, tables.OUTCOME, tables.MODEL, tables.ENDPOINT, tables.KEY),
    *(tables.PROMPT, tables.ANSWER, tables.COST, tables.DURATION, tables.FIRST_TOKEN),
    *(tables.SESSION, tables.ERROR_TYPE, tables.INSPECTOR, tables.TRACE, tables.REQUEST),
)
_ERROR = (
    *(tables.STATUS, tables.ERROR_TYPE, tables.ERROR_MESSAGE, tables.ATTEMPT, tables.OUTCOME, tables.MODEL),
    *(tables.ENDPOINT, tables.KEY, tables.SESSION, tables.INSPECTOR, tables.TRACE),
)
_HERE = (*links.SHARED_FILTERS, "key", "status", "outcome", "session", "search")


def page() -> Page:
    """The dashboard."""
    session = "A session's id or how it begins"
    search = "Part of a log line, as it is written there: a request's id, an agent, a type of error"
    slower = {"1 s": 1_000, "5 s": 5_000, "10 s": 10_000, "30 s": 30_000, "1 min": 60_000, "5 min": 300_000}
    return Page(
        uid=links.REQUESTS,
        title="Requests",
        description="Single requests, found by filters, with links to the inspector and to traces.",
        sections=(_found(), _listed(), _errors(), _slow(), _who(), _lines()),
        variables=[
            *map(variables.source, Source),
            *variables.filters(),
            *(variables.key(), variables.status(), variables.outcome()),
            variables.text("session", "Session", session),
            variables.text("search", "Search", search),
            variables.at_least("slower", "Slower than", slower),
        ],
        annotations=every_annotation(),
    )


def _found() -> Section:
    outcomes = bars(
        "Outcomes",
        "Requests found by how they ended, in each interval.",
        logged.over_time(FOUND, "outcome"),
        empty=_NONE_FOUND,
    )
    counts = ranking(
        "Requests by Outcome",
        "How the requests found ended. ok is right; follow the others to their requests.",
        logged.most(FOUND, "outcome"),
        empty=_NONE_FOUND,
    )
    durations = lines(
        "Duration (p50/p95)",
        "Time until the requests found were over for their clients, in each interval.",
        *(logged.quantile(FOUND, "duration_ms", "ms", part) for part in (0.5, 0.95)),
        empty=_NONE_FOUND,
    )
    first = lines(
        "First Token (p50/p95)",
        "Time to the first content of the streams found, in each interval.",
        *(logged.quantile(FOUND, "ttft_ms", "ms", part) for part in (0.5, 0.95)),
        empty="No streams match the filters in this time range",
    )
    colored(outcomes, {".": RED, "^(client_disconnected|rejected)$": GRAY, "^ok$": GREEN})
    return section(
        "Found",
        _sums_found(),
        band(
            7,
            house.sparse(outcomes),
            counts.data_links([links.requests(kept=_HERE, outcome="${__field.labels.outcome}")]),
            *map(house.sparse, (durations, first)),
        ),
    )


def _sums_found() -> Band:
    return band(
        4,
        number("Requests", "Requests that match the filters.", logged.count(FOUND, "found"), empty=_NONE_FOUND),
        number(
            "Failed",
            "Share that failed of the requests found; those that their clients left, the proxy refused or a 4xx"
            " answered do not count.",
            logged.share(FAILED, JUDGED, "failed"),
            empty="None that counts",
        ),
        number(
            "Upstream Errors",
            "Failed attempts and errors inside streams of the requests found; the tables below have the messages.",
            logged.count(FOUND_ERRORS, "errors"),
            steps=house.UNWANTED,
            empty="None",
        ),
        number(
            "Cost",
            "List price of the requests found.",
            logged.total(FOUND, "cost_usd", "currencyUSD", "cost"),
            empty="None has a price",
        ),
        number(
            "Tokens In",
            "Prompt tokens of the requests found, cache included.",
            logged.total(FOUND, "input_tokens_total", "short", "in"),
            empty="None used tokens",
        ),
        number(
            "Tokens Out",
            "Output tokens of the requests found, reasoning included.",
            logged.total(FOUND, "output_tokens", "short", "out"),
            empty="None used tokens",
        ),
    )


def _listed() -> Section:
    panel = tables.log_rows(
        "Requests Found",
        f"The newest {house.MOST_LINES:,} requests that match the filters. Open leads to the inspector, Trace to Tempo,"
        " a session to its requests; columns can be filtered and sorted.",
        logged.listed(FOUND),
        *_CALL,
        empty=_NONE_FOUND,
    )
    return section("Requests", band(16, panel))


def _errors() -> Section:
    upstream = tables.log_rows(
        "Upstream Errors in Words",
        "Every failed attempt and every error inside a stream, with what the upstream said.",
        logged.listed(FOUND_ERRORS),
        *_ERROR,
        empty=_NO_ERRORS,
    )
    types = ranking(
        "Errors by Type",
        "The ten most frequent types. overloaded_error and api_error are the provider's, others mostly the caller's.",
        logged.most(FOUND_ERRORS, "error_type"),
        steps=((None, RED),),
        empty=_NO_ERRORS,
    )
    broken = tables.log_rows(
        "Errors inside Streams",
        "Answers that began with 200 and then told of an error. Clients have seen a part of them.",
        logged.listed(BROKEN_OFF),
        *_ERROR,
        empty="No answer broke off with an error in this time range",
    )
    cut = tables.log_rows(
        "Answers Cut Off",
        "Answers that the upstream ended early without a word.",
        logged.listed(CUT_OFF),
        *_CALL,
        empty="No answer was cut off in this time range",
    )
    return section(
        "Errors",
        band(10, upstream, links.to_requests(types, "error_type", "search", kept=_HERE), widths=(18, 6)),
        band(8, broken, cut),
    )


def _slow() -> Section:
    panel = tables.log_rows(
        "Slowest Requests",
        f"The newest {house.MOST_LINES:,} requests that took as long as *Slower than* says, the slowest first. Are"
        " there more, choose a longer time.",
        logged.listed(SLOW),
        *_CALL,
        first=tables.DURATION,
        empty="No request that matches the filters took so long",
    )
    return section("Slow", band(10, panel))


def _who() -> Section:
    keys, sessions, workflows, clients = (
        ranking(title, description, logged.most(FOUND, field), empty=_NONE_FOUND)
        for title, description, field in (
            ("Requests by Key", "The ten keys with most requests: who asks.", "key"),
            (
                "Requests by Session",
                "The ten sessions with most requests: one without end stands out.",
                "session_id",
            ),
            ("Requests by Workflow", "The ten workflows with most requests: what they are for.", "workflow"),
            ("Requests by Client", "The ten programs, with their versions, that sent most requests.", "client"),
        )
    )
    return section(
        "Who asks",
        band(
            9,
            links.to_requests(keys, "key", kept=_HERE),
            links.to_requests(sessions, "session_id", "session", kept=_HERE),
            links.to_requests(workflows, "workflow", "search", kept=_HERE),
            clients,
        ),
    )


def _lines() -> Section:
    panel = house.log_lines(
        "Log Lines",
        "The lines as Loki has them, errors included. Open one for all its fields.",
        logged.listed(logged.LINES),
        empty=_NONE_FOUND,
    )
    return section("Lines", band(12, panel.links([links.logs(logged.LINES)])))
