"""Names of resource, span and `gen_ai.*` metric attributes.

The `gen_ai.*` names are those of opentelemetry-util-genai 1.3b0, which today's instrumentations emit: later than the
constants of opentelemetry-semantic-conventions 0.66b1 (`cache_creation` has become `cache_write`), earlier than the
unreleased `gen_ai.client.inference.*`. A proxy is a *client* of the provider, hence `gen_ai.client.*` and `CLIENT`.
"""

from __future__ import annotations

from typing import NamedTuple

_GENAI = "https://github.com/open-telemetry/semantic-conventions-genai"
_HTTP = "https://opentelemetry.io/docs/specs/semconv/http/http-spans/"
_GENERAL = "https://opentelemetry.io/docs/specs/semconv/general/attributes/"
_RESOURCE = "https://opentelemetry.io/docs/specs/semconv/resource/"
_OURS = ""


class Attribute(NamedTuple):
    """One attribute: its name, what it says and the document that decides the name ("" for our own)."""

    name: str
    description: str
    link: str


SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE_ID = "service.instance.id"

ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

HTTP_REQUEST_METHOD = "http.request.method"
HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original"
HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
HTTP_REQUEST_BODY_SIZE = "http.request.body.size"
HTTP_RESPONSE_BODY_SIZE = "http.response.body.size"
URL_PATH = "url.path"
URL_SCHEME = "url.scheme"
USER_AGENT_NAME = "user_agent.name"

GEN_AI_OPERATION_NAME = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME = "gen_ai.provider.name"
GEN_AI_CONVERSATION_ID = "gen_ai.conversation.id"
GEN_AI_REQUEST_MODEL = "gen_ai.request.model"
GEN_AI_REQUEST_STREAM = "gen_ai.request.stream"
GEN_AI_REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_TEMPERATURE = "gen_ai.request.temperature"
GEN_AI_REQUEST_TOP_P = "gen_ai.request.top_p"
GEN_AI_REQUEST_TOP_K = "gen_ai.request.top_k"
GEN_AI_RESPONSE_ID = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL = "gen_ai.response.model"
GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS = "gen_ai.usage.cache_write.input_tokens"
GEN_AI_USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - a name, no secret

PROXY_REQUEST_ID = "proxy.request_id"
PROXY_ENDPOINT = "proxy.endpoint"
PROXY_OPERATION = "proxy.operation"
PROXY_OUTCOME = "proxy.outcome"
PROXY_ORGANIZATION = "proxy.organization"
PROXY_WORKFLOW = "proxy.workflow"
PROXY_KEY = "proxy.key"
PROXY_CREDENTIAL = "proxy.credential"
PROXY_UPSTREAM = "proxy.upstream"
PROXY_UPSTREAM_REQUEST_ID = "proxy.upstream_request_id"
PROXY_AGENT_ID = "proxy.agent_id"
PROXY_PARENT_AGENT_ID = "proxy.parent_agent_id"
PROXY_FINISH_REASON = "proxy.finish_reason"
PROXY_COST_USD = "proxy.cost_usd"
PROXY_ATTEMPTS_OMITTED = "proxy.attempts_omitted"

EVENT_FIRST_BYTE = "first_byte"
EVENT_FIRST_TOKEN = "first_token"  # noqa: S105 - a name, no secret

RESOURCE = (
    Attribute(SERVICE_NAME, "`anthropic-proxy` unless set otherwise", _RESOURCE),
    Attribute(SERVICE_VERSION, "version of this package", _RESOURCE),
    Attribute(SERVICE_INSTANCE_ID, "random id kept in the ledger: one per ledger, the same after a restart", _RESOURCE),
)

SPAN = (
    Attribute(HTTP_REQUEST_METHOD, "method; `_OTHER` for one that HTTP does not define", _HTTP),
    Attribute(HTTP_REQUEST_METHOD_ORIGINAL, "the method as sent, where it is not one of HTTP's", _HTTP),
    Attribute(HTTP_REQUEST_RESEND_COUNT, "how many attempts came before this one", _HTTP),
    Attribute(HTTP_RESPONSE_STATUS_CODE, "status sent to the client (SERVER) or by the upstream (CLIENT)", _HTTP),
    Attribute(HTTP_REQUEST_BODY_SIZE, "bytes of the request body", _HTTP),
    Attribute(HTTP_RESPONSE_BODY_SIZE, "bytes of the response body handed to the client", _HTTP),
    Attribute(URL_PATH, "path as received", _HTTP),
    Attribute(URL_SCHEME, "`http`: what the proxy itself speaks", _HTTP),
    Attribute(USER_AGENT_NAME, "product and version of the client", _HTTP),
    Attribute(SERVER_ADDRESS, "host of the upstream, not of the proxy", _GENERAL),
    Attribute(SERVER_PORT, "port of the upstream", _GENERAL),
    Attribute(ERROR_TYPE, "provider's error type, the proxy's own, or the status", _GENERAL),
    Attribute(GEN_AI_OPERATION_NAME, "`chat`, `embeddings` or `generate_content`; on model calls only", _GENAI),
    Attribute(GEN_AI_PROVIDER_NAME, "`anthropic`, `openai`, …", _GENAI),
    Attribute(GEN_AI_CONVERSATION_ID, "the session id the client sent", _GENAI),
    Attribute(GEN_AI_REQUEST_MODEL, "the model asked for", _GENAI),
    Attribute(GEN_AI_REQUEST_STREAM, "present and true for streams", _GENAI),
    Attribute(GEN_AI_REQUEST_MAX_TOKENS, "request parameter", _GENAI),
    Attribute(GEN_AI_REQUEST_TEMPERATURE, "request parameter", _GENAI),
    Attribute(GEN_AI_REQUEST_TOP_P, "request parameter", _GENAI),
    Attribute(GEN_AI_REQUEST_TOP_K, "request parameter", _GENAI),
    Attribute(GEN_AI_RESPONSE_ID, "the provider's message id", _GENAI),
    Attribute(GEN_AI_RESPONSE_MODEL, "the model that answered", _GENAI),
    Attribute(GEN_AI_RESPONSE_FINISH_REASONS, "`stop`, `length`, `tool_call`, `error` or the provider's own", _GENAI),
    Attribute(GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, "seconds from request sent to first body byte; streams", _GENAI),
    Attribute(GEN_AI_USAGE_INPUT_TOKENS, "prompt tokens including cache reads and writes", _GENAI),
    Attribute(GEN_AI_USAGE_OUTPUT_TOKENS, "generated tokens including reasoning", _GENAI),
    Attribute(GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, "prompt tokens read from the cache", _GENAI),
    Attribute(GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS, "prompt tokens written to the cache", _GENAI),
    Attribute(GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, "tokens of thinking, part of the output", _GENAI),
    Attribute(PROXY_REQUEST_ID, "id of the exchange", _OURS),
    Attribute(PROXY_ENDPOINT, "endpoint of the settings", _OURS),
    Attribute(PROXY_OPERATION, "what was asked: messages, count_tokens, models, …", _OURS),
    Attribute(PROXY_OUTCOME, "how the exchange ended", _OURS),
    Attribute(PROXY_ORGANIZATION, "organisation of the endpoint", _OURS),
    Attribute(PROXY_WORKFLOW, "workflow named by endpoint or client", _OURS),
    Attribute(PROXY_KEY, "name or fingerprint of the client's key", _OURS),
    Attribute(PROXY_CREDENTIAL, "the operator's credential that was used", _OURS),
    Attribute(PROXY_UPSTREAM, "upstream of the settings", _OURS),
    Attribute(PROXY_UPSTREAM_REQUEST_ID, "the provider's id of the request", _OURS),
    Attribute(PROXY_AGENT_ID, "agent that made the request", _OURS),
    Attribute(PROXY_PARENT_AGENT_ID, "agent that started that agent", _OURS),
    Attribute(PROXY_FINISH_REASON, "the provider's word for why the model stopped", _OURS),
    Attribute(PROXY_COST_USD, "price of the call", _OURS),
    Attribute(PROXY_ATTEMPTS_OMITTED, "attempts without a span of their own, where there were more than four", _OURS),
)
