"""*Cost and cache*: what was spent and by whom, tokens of every kind, and how well the prompt cache works."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge

from dashboards import house, links, tables, variables
from dashboards.annotations import every_annotation
from dashboards.house import BLUE, GREEN, ORANGE, YELLOW, bars, colored, dashed, lines, number, ranking, rows
from dashboards.page import Band, Page, Section, band, section
from dashboards.signals import billing, cache, cost, logged
from dashboards.signals.logged import DEAR
from dashboards.signals.signal import COMPLETED, Source

_NO_COST = "No request with a price in this time range"
_NO_CACHE = "No prompt was cached in this time range"
_UNPRICED_HELP = "Cost is too low by them: a newer version of the proxy may know the model."
_CALL = (
    *(tables.COST, tables.MODEL, tables.ENDPOINT, tables.KEY, tables.PROMPT, tables.CACHED, tables.ANSWER),
    *(tables.DURATION, tables.OUTCOME, tables.SESSION, tables.INSPECTOR, tables.TRACE),
)
_SPENDERS = (
    ("Organizations by Cost", "organization", "organization"),
    ("Keys by Cost", "key", "key"),
    ("Workflows by Cost", "workflow", "search"),
    ("Sessions by Cost", "session_id", "session"),
)
"""Title, field of log lines, filter of the page of requests."""
_HERE = (*links.SHARED_FILTERS, "key")


def page() -> Page:
    """The dashboard."""
    dearer = {"1 cent": 0.01, "10 cents": 0.1, "1 dollar": 1, "10 dollars": 10}
    return Page(
        uid=links.COST,
        title="Cost and cache",
        description="What was spent, by whom and on what, at list prices; and what the prompt cache does for it.",
        sections=(_money(), _spenders(), _tokens(), _cache(), _dearest()),
        variables=[
            variables.source(Source.TEMPO),
            *variables.shared(),
            *(variables.key(), variables.at_least("dearer", "Dearer than", dearer)),
        ],
        annotations=every_annotation(),
    )


def _money() -> Section:
    today = number("Cost Today", "List price of what was asked since midnight, in your time zone.", cost.TOTAL)
    unpriced = number(
        "Without a Price",
        f"Requests that used tokens of a model without a price. {_UNPRICED_HELP}",
        billing.UNPRICED,
        steps=house.UNWANTED,
    )
    return section(
        "Money",
        band(
            5,
            today.time_from("now/d"),
            number("Cost", "List price of all requests in this time range.", cost.TOTAL, empty=_NO_COST),
            number(
                "Billed and Included",
                "The same in two: what has to be paid by use, and what subscriptions include, which is what they are"
                " worth. What is free is in neither.",
                *(billing.BILLED, billing.INCLUDED),
                empty=_NO_COST,
            ),
            number(
                "Cost of 30 Days",
                "What 30 days cost if every hour costs as much as the mean hour of this time range. Choose one that is"
                " typical, like a week.",
                billing.IN_30_DAYS,
                empty=_NO_COST,
            ),
            number(
                "Cost per Request",
                "Mean list price of the requests that have one.",
                logged.mean(COMPLETED, "cost_usd", "currencyUSD", "mean"),
                empty=_NO_COST,
            ),
            unpriced,
            widths=(4, 4, 6, 4, 3, 3),
        ),
        *_money_over_time(),
    )


def _money_over_time() -> tuple[Band, ...]:
    per_hour = bars(
        "Cost per Hour by Billing",
        "Money per hour at the present rate: paid by use, or included in subscriptions and free.",
        billing.PER_HOUR_BY_BILLING,
        empty=_NO_COST,
    )
    burn = lines(
        "Billed in the Last Hour",
        "What the hour before each moment cost by use, and the objective: above it an alert fires.",
        *(billing.LAST_HOUR, billing.ALLOWED),
        empty="Nothing was billed by use in this time range",
    )
    each = lines(
        "Cost per Request by Model",
        "Mean list price of a request in each interval. A rise with the same work: prompts grow, or miss the cache.",
        logged.mean_over_time(COMPLETED, "cost_usd", "currencyUSD", "model"),
        empty=_NO_COST,
    )
    return (
        band(
            8,
            colored(per_hour, {"^pay_as_you_go$": ORANGE, "^subscription$": BLUE, "^free$": GREEN}),
            dashed(burn, "^objective$"),
        ),
        band(
            8,
            bars(
                "Cost per Hour by Model", "Money per hour at the present rate.", cost.PER_HOUR_BY_MODEL, empty=_NO_COST
            ),
            bars(
                "Cost per Hour by Endpoint",
                "Money per hour at the present rate, by the endpoint of the proxy.",
                billing.PER_HOUR_BY_ENDPOINT,
                empty=_NO_COST,
            ),
            house.sparse(each),
        ),
    )


def _spenders() -> Section:
    models = ranking("Models by Cost", "The ten models that cost most.", cost.BY_MODEL, empty=_NO_COST)
    endpoints = ranking("Endpoints by Cost", "The ten endpoints that cost most.", cost.BY_ENDPOINT, empty=_NO_COST)
    nameless = ranking(
        "Models without a Price",
        f"Requests by the model that was asked for and has no price. {_UNPRICED_HELP}",
        logged.most(billing.UNPRICED_LINES, "model"),
        steps=((None, YELLOW),),
        empty="Every request that used tokens has a price",
    )
    return section(
        "Who spends",
        band(8, *(_spender(*names) for names in _SPENDERS)),
        band(
            8,
            links.to_requests(models, "model", kept=_HERE, unknown=links.OTHER),
            endpoints.data_links([links.requests(kept=_HERE, endpoint="${__field.labels.endpoint}")]),
            links.to_requests(nameless, "model", "search", kept=_HERE),
        ),
    )


def _tokens() -> Section:
    kinds = bars(
        "Tokens by Kind",
        "Tokens per minute, each once. A cached prompt shows as cache reads with little uncached input.",
        *cache.PER_MINUTE,
    )
    table = rows("Tokens by Model", "What each model was sent and answered in this time range.", *cache.BY_MODEL)
    return section("Tokens", band(9, kinds, table))


def _cache() -> Section:
    hits = lines(
        "Cache Hits over Time",
        "Share of prompt tokens that were read from the cache, all in all and by model.",
        *(cache.HITS_OVER_TIME, cache.HITS_BY_MODEL),
    )
    usual = lines(
        "Cache Hits against the Usual",
        "Share of the last hour by endpoint; at the dashes, a part of the last day's share, an alert fires.",
        *(cache.HITS_LAST_HOUR, cache.HITS_EXPECTED),
        empty=_NO_CACHE,
    )
    return section(
        "Cache",
        band(
            8,
            number("Cache Hits", "Share of prompt tokens that were read from the cache.", cache.HITS),
            number(
                "Reads per Write",
                "How often a token written to the cache was read from it. Writing costs more than plain input, reading"
                " much less: near 0 the cache costs more than it saves.",
                cache.READS_PER_WRITE,
                empty=_NO_CACHE,
            ),
            hits.min(0).max(1),
            dashed(usual, ": too low$").min(0).max(1),
            widths=(4, 4, 8, 8),
        ),
        band(
            8,
            lines(
                "Reads per Write by Model",
                "Tokens read from the cache per token written to it. A fall: prompts change too early in their text, or"
                " pauses outlast the cache.",
                cache.READS_PER_WRITE_BY_MODEL,
                empty=_NO_CACHE,
            ),
        ),
    )


def _dearest() -> Section:
    sessions = tables.sum_rows(
        "Most Expensive Sessions",
        "The twenty sessions that cost most in this time range. Follow one to its requests.",
        (tables.SESSION,),
        *logged.dearest_sessions(COMPLETED),
        empty="No session cost anything in this time range",
    )
    calls = tables.log_rows(
        "Most Expensive Calls",
        f"The newest {house.MOST_LINES:,} requests that cost as much as *Dearer than* says, the dearest first. Are"
        " there more, choose a higher price.",
        logged.listed(DEAR),
        *_CALL,
        first=tables.COST,
        empty="No request cost so much",
    )
    return section("Most expensive", band(10, sessions, calls, widths=(10, 14)))


def _spender(title: str, field: str, variable: str) -> bargauge.Panel:
    what = title.split()[0].lower()
    panel = ranking(title, f"The ten {what} that cost most.", logged.dearest(COMPLETED, field), empty=_NO_COST)
    return links.to_requests(panel, field, variable, _HERE)
