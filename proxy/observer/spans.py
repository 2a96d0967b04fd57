"""The spans projection: one SERVER span per exchange and a CLIENT span per attempt, with the ids of the record.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/ and, on model calls, the GenAI conventions.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from proxy.exchange import Attempt, Exchange, UsageSource
from proxy.ledger.costs import Cost
from proxy.names import attributes as names
from proxy.observer import genai, trace, wire
from proxy.observer.remembered import Remembered
from proxy.observer.text import clipped
from proxy.observer.wire import Kind

MOST_ATTEMPTS = 4
_LONGEST_NAME = 200
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
_OTHER_METHOD = "_OTHER"
_LARGEST = 2**63
_PARAMETERS = {
    "max_tokens": names.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": names.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": names.GEN_AI_REQUEST_TOP_P,
    "top_k": names.GEN_AI_REQUEST_TOP_K,
}

_Value = str | bool | int | float | tuple[str, ...] | None


def spans(exchange: Exchange, cost: Cost | None) -> list[bytes]:
    """All spans of a finished exchange as items of a request, at most five.

    Of many attempts the first and the last three have one.
    """
    shown = exchange.attempts
    if len(shown) > MOST_ATTEMPTS:
        shown = (shown[0], *shown[1 - MOST_ATTEMPTS :])
    trace_id, server_id = trace.trace_id(exchange), trace.span_id(exchange)
    found = [_server(exchange, trace_id, server_id, len(exchange.attempts) - len(shown))]
    return found + [_client(exchange, attempt, cost, trace_id, server_id) for attempt in shown]


def _server(exchange: Exchange, trace_id: int, span_id: int, omitted: int) -> bytes:
    parent, error = trace.parent_span_id(exchange), genai.error_type(exchange)
    # What the client did wrong (4xx) is no error of a server; an error inside a 200 is one.
    failed = error is not None and not (exchange.status is not None and 400 <= exchange.status < 500)
    return wire.span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent,
        parent_is_remote=parent is not None,
        name=_name(exchange),
        kind=Kind.SERVER,
        start_ns=exchange.started_ns,
        end_ns=_at(exchange, exchange.duration_ms or 0.0),
        attributes=_written(_server_attributes(exchange, error, omitted)),
        failed=failed,
        failure=_clipped(exchange.error_message) if failed else None,
    )


def _client(exchange: Exchange, attempt: Attempt, cost: Cost | None, trace_id: int, server_id: int) -> bytes:
    last = attempt is exchange.attempts[-1]
    operation, error = genai.operation_name(exchange.operation), _attempt_error(exchange, attempt, last)
    started_ms = ended_ms = attempt.started_ms or 0.0
    if attempt.ended_ms is not None:
        ended_ms = attempt.ended_ms
    elif last and exchange.last_byte_ms is not None:
        ended_ms = exchange.last_byte_ms
    attributes = _written(_attempt_attributes(exchange, attempt, error))
    if operation is not None:
        attributes += _written(_call_attributes(exchange, operation)) + _PARAMETERS_OF[exchange.parameters,]
        if last:
            attributes += _written(_response_attributes(exchange, cost))
    failed = error is not None
    return wire.span(
        trace_id=trace_id,
        span_id=trace.attempt_span_id(exchange, attempt.number, attempt.span_id),
        parent_id=server_id,
        parent_is_remote=False,
        name=_client_name(exchange, operation),
        kind=Kind.CLIENT,
        start_ns=_at(exchange, started_ms),
        end_ns=_at(exchange, max(started_ms, ended_ms)),
        attributes=attributes,
        events=_events(exchange) if last else (),
        failed=failed,
        failure=_clipped(attempt.error_message or (exchange.error_message if last else None)) if failed else None,
    )


def _name(exchange: Exchange) -> str:
    """`POST messages`: a path would be as many names as there are paths."""
    method = exchange.method if exchange.method in _METHODS else "HTTP"
    return method if exchange.operation == "other" else f"{method} {exchange.operation}"


def _client_name(exchange: Exchange, operation: str | None) -> str:
    if operation is None:
        return _name(exchange)
    return operation if exchange.model is None else f"{operation} {clipped(exchange.model, _LONGEST_NAME)}"


def _server_attributes(exchange: Exchange, error: str | None, omitted: int) -> dict[str, _Value]:
    return {
        **_http(exchange),
        names.HTTP_RESPONSE_STATUS_CODE: exchange.status,
        names.HTTP_REQUEST_BODY_SIZE: exchange.request_bytes,
        names.HTTP_RESPONSE_BODY_SIZE: exchange.delivered_bytes,
        names.URL_SCHEME: "http",
        names.URL_PATH: exchange.path,
        names.USER_AGENT_NAME: exchange.client,
        names.ERROR_TYPE: error,
        names.PROXY_REQUEST_ID: exchange.request_id,
        names.PROXY_ENDPOINT: exchange.endpoint,
        names.PROXY_OPERATION: exchange.operation,
        names.PROXY_OUTCOME: exchange.outcome,
        names.PROXY_ORGANIZATION: exchange.organization,
        names.PROXY_WORKFLOW: exchange.workflow,
        names.PROXY_KEY: exchange.key,
        names.PROXY_AGENT_ID: exchange.agent_id,
        names.PROXY_PARENT_AGENT_ID: exchange.parent_agent_id,
        names.PROXY_ATTEMPTS_OMITTED: omitted or None,
    }


def _attempt_attributes(exchange: Exchange, attempt: Attempt, error: str | None) -> dict[str, _Value]:
    return {
        **_http(exchange),
        names.HTTP_RESPONSE_STATUS_CODE: attempt.status,
        names.HTTP_REQUEST_RESEND_COUNT: attempt.number - 1 or None,
        names.SERVER_ADDRESS: attempt.server_address,
        names.SERVER_PORT: attempt.server_port,
        names.ERROR_TYPE: error,
        names.PROXY_REQUEST_ID: exchange.request_id,
        names.PROXY_UPSTREAM: attempt.upstream,
        names.PROXY_CREDENTIAL: attempt.credential,
        names.PROXY_UPSTREAM_REQUEST_ID: attempt.upstream_request_id,
    }


def _call_attributes(exchange: Exchange, operation: str) -> dict[str, _Value]:
    return {
        names.GEN_AI_OPERATION_NAME: operation,
        names.GEN_AI_PROVIDER_NAME: exchange.provider,
        names.GEN_AI_CONVERSATION_ID: exchange.session_id,
        names.GEN_AI_REQUEST_MODEL: exchange.model,
        names.GEN_AI_REQUEST_STREAM: exchange.stream or None,
    }


def _response_attributes(exchange: Exchange, cost: Cost | None) -> dict[str, _Value]:
    reason = genai.finish_reason(exchange)
    attributes: dict[str, _Value] = {
        names.GEN_AI_RESPONSE_ID: exchange.message_id,
        names.GEN_AI_RESPONSE_MODEL: exchange.response_model,
        names.GEN_AI_RESPONSE_FINISH_REASONS: None if reason is None else (clipped(reason),),
        names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: genai.first_chunk_s(exchange),
        names.PROXY_FINISH_REASON: exchange.finish_reason,
        names.PROXY_COST_USD: None if cost is None else float(cost.total_usd),
    }
    if exchange.usage_source in (UsageSource.FINAL, UsageSource.PARTIAL):
        usage = exchange.usage
        attributes |= {
            names.GEN_AI_USAGE_INPUT_TOKENS: usage.input_tokens_total,
            names.GEN_AI_USAGE_OUTPUT_TOKENS: usage.output_tokens,
            names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: usage.cache_read_tokens,
            names.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: usage.cache_creation_tokens,
            names.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: usage.reasoning_tokens,
        }
    return attributes


def _http(exchange: Exchange) -> dict[str, _Value]:
    if exchange.method in _METHODS:
        return {names.HTTP_REQUEST_METHOD: exchange.method}
    return {names.HTTP_REQUEST_METHOD: _OTHER_METHOD, names.HTTP_REQUEST_METHOD_ORIGINAL: exchange.method}


def _parameters(text: str | None) -> bytes:
    """Numbers among the request's parameters."""
    try:
        given = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return b""
    if not isinstance(given, dict):
        return b""
    return b"".join(
        _attribute(name, given[parameter])
        for parameter, name in _PARAMETERS.items()
        if isinstance(given.get(parameter), int | float)
        and not isinstance(given[parameter], bool)
        and abs(given[parameter]) < _LARGEST
    )


def _attempt_error(exchange: Exchange, attempt: Attempt, last: bool) -> str | None:
    if attempt.error_type is not None:
        return attempt.error_type
    if last and (told := genai.error_type(exchange)) is not None:
        return told
    return str(attempt.status) if attempt.status is not None and attempt.status >= 400 else None


def _clipped(text: str | None) -> str | None:
    return None if text is None else clipped(text)


def _events(exchange: Exchange) -> tuple[tuple[str, int], ...]:
    times = ((names.EVENT_FIRST_BYTE, exchange.first_byte_ms), (names.EVENT_FIRST_TOKEN, exchange.first_token_ms))
    return tuple((name, _at(exchange, ms)) for name, ms in times if ms is not None)


def _at(exchange: Exchange, ms: float) -> int:
    return exchange.started_ns + round(ms * 1_000_000)


def _written(attributes: Mapping[str, _Value]) -> bytes:
    return b"".join(map(_ATTRIBUTES.__getitem__, attributes.items()))


def _attribute(name: str, value: _Value) -> bytes:
    return wire.attribute(wire.SPANNED, name, clipped(value) if isinstance(value, str) else value)


_ATTRIBUTES: Remembered[tuple[str, _Value], bytes] = Remembered(_attribute)
_PARAMETERS_OF: Remembered[tuple[str | None], bytes] = Remembered(_parameters)
