"""Fields of the log records: names, what they say, and which records and bodies carry them.

The names are those of `proxy.exchange`; a field that is not known is absent. Values are attributes of the record
(structured metadata in Loki); most are in its JSON body, too.
"""

from __future__ import annotations

from typing import NamedTuple

MSG = "msg"
COMPLETED = "completed"
"""`msg` of the one record per exchange."""
UPSTREAM_ERROR = "upstream error"
"""`msg` of a record per failed attempt or error inside a stream."""
ATTEMPT = "attempt"
BILLING = "billing"
COST_USD = "cost_usd"
CREDENTIAL = "credential"
ERROR_MESSAGE = "error_message"
ERROR_TYPE = "error_type"
INSPECTOR_URL = "inspector_url"
STATUS = "status"
UPSTREAM = "upstream"
UPSTREAM_REQUEST_ID = "upstream_request_id"


class Field(NamedTuple):
    """One field of a log record."""

    name: str
    description: str
    free_text: bool = False
    """Written by people or machines outside: never in the body of a `completed` record."""
    in_errors: bool = False
    """Also on `upstream error` records, where it describes the failed attempt."""


FIELDS = (
    Field("request_id", "id of the request, returned to the client as `x-proxy-request-id`", in_errors=True),
    Field("method", "HTTP method", in_errors=True),
    Field("path", "path as received, without the query", free_text=True, in_errors=True),
    Field("client", "product and version of the caller", free_text=True, in_errors=True),
    Field("endpoint", "endpoint of the settings", in_errors=True),
    Field("organization", "organisation of the endpoint", in_errors=True),
    Field("key", "name or fingerprint of the client's key", in_errors=True),
    Field("group", "group of the key", in_errors=True),
    Field("workflow", "workflow named by endpoint or client", in_errors=True),
    Field("session_id", "session the client named", in_errors=True),
    Field("agent_id", "agent that made the request", in_errors=True),
    Field("parent_agent_id", "agent that started that agent", in_errors=True),
    Field("account", "whose rate-limit windows the answer describes", in_errors=True),
    Field(CREDENTIAL, "the operator's credential that was used", in_errors=True),
    Field("provider", "value of `gen_ai.provider.name`", in_errors=True),
    Field(UPSTREAM, "upstream of the settings", in_errors=True),
    Field("operation", "what was asked: messages, count_tokens, models, …", in_errors=True),
    Field("model", "the model asked for", in_errors=True),
    Field("response_model", "the model that answered"),
    Field("stream", "whether a stream was asked for", in_errors=True),
    Field(STATUS, "HTTP status sent to the client; on `upstream error` the upstream's", in_errors=True),
    Field("outcome", "how the request ended", in_errors=True),
    Field("finish_reason", "why the model stopped, in the provider's words"),
    Field("finish_reason_normalized", "the same under a name that all providers share"),
    Field("input_tokens", "uncached input tokens"),
    Field("input_tokens_total", "input tokens including cache reads and writes"),
    Field("output_tokens", "output tokens, reasoning included"),
    Field("cache_read_tokens", "input tokens read from the cache"),
    Field("cache_creation_tokens", "input tokens written to the cache"),
    Field("cache_creation_5m_tokens", "of these, kept for five minutes"),
    Field("cache_creation_1h_tokens", "of these, kept for one hour"),
    Field("reasoning_tokens", "output tokens spent on thinking"),
    Field("output_tokens_estimated", "of a stream that broke: a guess from its text; in no counter"),
    Field("usage_source", "how far the counts can be trusted: final, partial, estimated, none"),
    Field(COST_USD, "price of the call in US dollars"),
    Field(BILLING, "pay_as_you_go, subscription or free"),
    Field("duration_ms", "until the request was over for the client"),
    Field("ttft_ms", "from request sent to the first content token"),
    Field("output_rate", "output tokens per second"),
    Field("request_bytes", "size of the request body"),
    Field("response_bytes", "size of the upstream's response body"),
    Field("retry_count", "which of its own tries the client says this is, from 0", in_errors=True),
    Field("attempt_count", "how often an upstream was tried"),
    Field(ATTEMPT, "number of the failed attempt, from 1; only on `upstream error`", in_errors=True),
    Field(ERROR_TYPE, "the provider's or the proxy's own type of error", in_errors=True),
    Field(ERROR_MESSAGE, "what the provider or the proxy said", free_text=True, in_errors=True),
    Field("resets_at", "of a 429: unix time at which the limit that refused it opens again", in_errors=True),
    Field(UPSTREAM_REQUEST_ID, "the provider's id of the request", in_errors=True),
    Field("customer_data", "JSON the client sent in `x-proxy-metadata`", free_text=True),
    Field(INSPECTOR_URL, "page of the request in the inspector", in_errors=True),
)
