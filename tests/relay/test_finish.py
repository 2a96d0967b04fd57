"""From a capture to the record: whole records, compared field by field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.exchange import Attempt, Exchange, Hop, LimitReading, Outcome, Usage, UsageSource, WindowReading
from proxy.ledger.changes import Body
from proxy.reading.response import reader
from proxy.relay.capture import Capture, Copy, Times
from proxy.relay.errors import ClientDisconnected, RelayError, UpstreamTimeout
from proxy.relay.finish import Finisher
from proxy.settings.shape import Bodies, Endpoint
from proxy.settings.shape import Capture as CaptureLimits
from tests.kit.laws import API_KEY
from tests.kit.raw import post
from tests.kit.upstream import DELTA, END, START
from tests.relay.conftest import Relayed

BODY = (
    b'{"model": "claude-sonnet-4-6", "stream": true, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}'
)
HEADERS = [(b"host", b"127.0.0.1"), (b"x-api-key", API_KEY.encode()), (b"user-agent", b"Anthropic/Python 2.11.0")]
ANSWER = [
    (b"Request-Id", b"req_1"),
    (b"anthropic-organization-id", b"org-1"),
    (b"anthropic-ratelimit-unified-5h-utilization", b"0.25"),
    (b"anthropic-ratelimit-unified-5h-reset", b"1795280000"),
    (b"anthropic-ratelimit-unified-5h-status", b"allowed"),
]
ATTEMPT = Attempt(1, "anthropic", "api.test", 443, "1" * 16, started_ms=1.0, sent_ms=2.0, headers_ms=5.0, status=200)


def finisher(bodies: str = "all") -> Finisher:
    return Finisher(
        process="p1",
        salt=b"salt",
        capture=CaptureLimits(bodies=bodies),  # type: ignore[arg-type]
        read_failed=lambda: None,
    )


def captured(stream: bytes = START + DELTA + END) -> Capture:
    request, response = Copy(1 << 20), Copy(1 << 20)
    request.add(BODY)
    response.add(stream)
    watching = reader(
        operation="messages",
        dialect="anthropic",
        content_type="text/event-stream",
        content_encoding=None,
        status=200,
    )
    watching.feed(stream, 8.0)
    return Capture(
        request_id="px_1",
        method="POST",
        raw_path=b"/production/v1/messages",
        query=b"beta=true",
        headers=HEADERS,
        request=request,
        response=response,
        trace_id="t" * 32,
        parent_span_id=None,
        span_id="s" * 16,
        task=None,
        endpoint_name="production",
        endpoint=Endpoint(path="/production", upstreams=("anthropic",), organization="acme", workflow="nightly"),
        upstream="anthropic",
        dialect="anthropic",
        operation="messages",
        target="/v1/messages?beta=true",
        status=200,
        upstream_headers=ANSWER,
        returned_headers=ANSWER,
        delivered=len(stream),
        upload_complete=True,
        over=True,
        reader=watching,
        attempts=[ATTEMPT],
        times=Times(0.5, 2.0, None, 5.0, 8.0, 8.1, 9.0, 10.0),
        started_ns=1_795_270_000_000_000_000,
    )


def test_a_good_stream_becomes_this_record() -> None:
    made = finisher().finished(captured())
    exchange = made.exchange
    assert exchange == replace(
        Exchange("px_1", "p1", 1_795_270_000_000_000_000, "POST", "/production/v1/messages", "production"),
        outcome=Outcome.OK,
        query="beta=true",
        organization="acme",
        workflow="nightly",
        key=exchange.key,
        account="org-1",
        client="Anthropic/Python 2.11.0",
        upstream="anthropic",
        provider="anthropic",
        dialect="anthropic",
        operation="messages",
        model="claude-sonnet-4-6",
        response_model="claude-sonnet-4-6",
        stream=True,
        status=200,
        finish_reason="end_turn",
        upstream_request_id="req_1",
        message_id="msg_1",
        upstream_organization_id="org-1",
        billing="subscription",
        usage=Usage(input_tokens=25, output_tokens=9, usage_raw='{"input_tokens":25,"output_tokens":9}'),
        usage_source=UsageSource.FINAL,
        parameters='{"max_tokens":9}',
        message_count=1,
        tool_count=0,
        image_count=0,
        request_bytes=len(BODY),
        response_bytes=len(START + DELTA + END),
        delivered_bytes=len(START + DELTA + END),
        request_sha256=exchange.request_sha256,
        response_sha256=exchange.response_sha256,
        trace_id="t" * 32,
        span_id="s" * 16,
        received_ms=0.5,
        sent_ms=2.0,
        headers_ms=5.0,
        first_byte_ms=8.0,
        first_sent_ms=8.1,
        first_token_ms=8.0,
        last_byte_ms=9.0,
        duration_ms=10.0,
        attempts=(
            replace(ATTEMPT, ended_ms=9.0, upstream_request_id="req_1", ratelimit=exchange.attempts[0].ratelimit),
        ),
        windows=(WindowReading("org-1", "5h", 25.0, 1_795_280_000, "allowed"),),
    )
    assert exchange.key is not None
    assert exchange.key.startswith("caller-")
    assert exchange.ttft_ms == 6.0
    assert exchange.overhead_ms == pytest.approx(1.6)


def test_a_callers_secret_is_masked_in_every_hop() -> None:
    """L5, H1"""
    made = finisher().finished(captured(START.replace(b"msg_1", API_KEY.encode()) + DELTA + END))
    assert API_KEY not in str(made.headers)
    answer = made.bodies[Hop.UPSTREAM_RESPONSE]
    assert isinstance(answer, Body)
    assert API_KEY.encode() not in b"".join(answer.chunks)
    assert made.exchange.redacted


def test_every_hop_keeps_its_own_fields() -> None:
    capture = captured()
    capture.sent_headers, capture.upstream_headers, capture.returned_headers = [], [(b"X", b"1")], [(b"Y", b"2")] * 2
    made = finisher().finished(capture).headers
    assert [name for name, _ in made[Hop.CLIENT_REQUEST]] == ["host", "x-api-key", "user-agent"]
    assert made[Hop.UPSTREAM_REQUEST] == ()
    assert (made[Hop.UPSTREAM_RESPONSE], made[Hop.CLIENT_RESPONSE]) == ((("X", "1"),), (("Y", "2"),) * 2)


def test_callers_that_take_turns_have_their_own_keys_and_masks() -> None:
    """H1: what is remembered of one caller is not used for another"""
    makes, keys = finisher(), set()
    for number in range(6):
        secret = f"{API_KEY}-{number % 3}"
        capture = captured(START.replace(b"msg_1", secret.encode()) + DELTA + END)
        capture.headers = [*HEADERS[:1], (b"x-api-key", secret.encode()), (b"content-length", b"%d" % number)]
        capture.query = b"token=" + secret[::-1].encode()
        made = makes.finished(capture)
        keys.add(made.exchange.key)
        assert made.exchange.redacted
        assert secret not in str(made)
        assert secret[::-1] not in str(made)
    assert len(keys) == 3


def test_a_callers_secret_is_masked_in_every_fact(relayed: Relayed) -> None:
    """L5, H1: whatever the caller or the upstream puts it into; the laws search everything"""
    answer = (
        f'{{"id":"{API_KEY}","type":"message","role":"assistant","model":"{API_KEY}","content":[],'
        f'"stop_reason":"{API_KEY}","usage":{{"input_tokens":1,"output_tokens":1,"service_tier":"{API_KEY}"}}}}'
    )
    relayed.upstream.script = lambda talk: talk.answer(answer.encode(), headers=f"request-id: {API_KEY}\r\n")
    fields = (
        f"x-api-key: {API_KEY}\r\nx-proxy-workflow: {API_KEY}\r\nuser-agent: {API_KEY}/1\r\n"
        f'x-claude-code-session-id: {API_KEY}\r\nx-proxy-metadata: {{"a": "{API_KEY}"}}\r\n'
    )
    reply = relayed.ask(post(f"/v1/messages?key={API_KEY}", f'{{"model": "{API_KEY}"}}'.encode(), fields))
    assert reply.body == answer.encode()
    row = relayed.proxy.exchange(reply.request_id)
    assert {row["model"], row["response_model"], row["message_id"], row["upstream_request_id"]} == {row["model"]}
    assert str(row["model"]).startswith("***")


@pytest.mark.parametrize(
    ("error", "outcome", "error_type"),
    [
        (UpstreamTimeout("late.", error_type="idle_timeout"), Outcome.UPSTREAM_TIMEOUT, "idle_timeout"),
        (ClientDisconnected("gone."), Outcome.CLIENT_DISCONNECTED, None),
    ],
)
def test_what_we_saw_goes_before_what_the_answer_says(
    error: RelayError, outcome: Outcome, error_type: str | None
) -> None:
    capture = captured(START + DELTA)
    capture.error = error
    exchange = finisher().finished(capture).exchange
    assert (exchange.outcome, exchange.error_type, exchange.usage_source) == (outcome, error_type, UsageSource.PARTIAL)


def test_a_stream_that_broke_has_its_output_by_estimate() -> None:
    """N-7"""
    exchange = finisher().finished(captured(START + DELTA * 10)).exchange
    assert (exchange.usage.output_tokens, exchange.output_tokens_estimated) == (1, 5)
    cut = captured(START + DELTA)
    cut.response.drop("queue_full")
    assert finisher().finished(cut).exchange.output_tokens_estimated is None


@pytest.mark.parametrize(
    ("bodies", "failed", "kept"),
    [("all", False, True), ("none", True, False), ("errors", False, False), ("errors", True, True)],
)
def test_the_capture_setting_decides_which_bodies_are_kept(bodies: str, failed: bool, kept: bool) -> None:
    """F-41"""
    capture = captured(START + DELTA if failed else START + DELTA + END)
    made = finisher(bodies).finished(capture)
    request = made.bodies[Hop.CLIENT_REQUEST]
    assert isinstance(request, Body)
    assert (b"".join(request.chunks) == BODY, request.capture) == (kept, None if kept else "off")
    assert (request.size, request.sha256) == (len(BODY), made.exchange.request_sha256)


@pytest.mark.parametrize(
    ("asked", "endpoint", "general", "kept"),
    [
        (b"off", None, "all", "none"),
        (b" OFF ", "all", "all", "none"),
        (b"of", None, "all", "none"),
        (b"on", "none", "all", "none"),
        (b"on", None, "errors", "errors"),
        (None, "errors", "all", "errors"),
        (None, "all", "none", "all"),
        (None, None, "none", "none"),
    ],
)
def test_the_client_goes_before_the_endpoint_and_that_before_the_general_setting(
    asked: bytes | None, endpoint: Bodies | None, general: Bodies, kept: Bodies
) -> None:
    """F-41: a client can ask for less to be kept, never for more"""
    capture = captured()
    capture.headers = [*HEADERS, *([(b"x-proxy-capture", asked)] if asked is not None else [])]
    capture.endpoint = Endpoint(upstreams=("anthropic",), capture=endpoint)
    assert capture.keeping(general) == kept


def test_one_of_several_wishes_that_is_not_on_keeps_bodies_from_being_kept() -> None:
    """Proxies in front add fields rather than replace them."""
    capture = captured()
    for values in (b"on", b"off"), (b"off", b"on"), (b"", b"off"):
        capture.headers = [*HEADERS, *((b"x-proxy-capture", value) for value in values)]
        assert capture.keeping("all") == "none"


@pytest.mark.parametrize(("bodies", "reason"), [("all", None), ("errors", "interrupted"), ("none", "off")])
def test_an_open_row_says_why_it_will_have_no_body_if_the_process_dies(bodies: str, reason: str | None) -> None:
    """F-41, S0-28"""
    under_way = captured()
    under_way.over = False
    opened = finisher(bodies).opened(under_way)
    assert opened is not None
    assert opened.exchange.request_capture == reason


def test_no_open_row_is_written_for_a_request_whose_record_is_made() -> None:
    over, makes = captured(), finisher()
    makes.finished(over)
    assert makes.opened(over) is None
    assert makes.arrived(over) is None
    open_still = captured()
    open_still.over = False
    opened = finisher().opened(open_still)
    assert opened is not None
    assert (opened.exchange.outcome, opened.exchange.operation) == (None, "messages")


def test_a_request_that_is_over_but_waits_for_the_next_group_has_an_open_row() -> None:
    """I3: else a kill during a slow commit would leave nothing of it"""
    assert finisher().opened(captured()) is not None
    assert finisher().arrived(captured()) is not None


def test_the_row_of_a_request_under_way_says_what_is_asked_once_that_has_arrived() -> None:
    """S0-5: a request shows its model while it runs, and after its process died"""
    under_way = captured()
    under_way.over = False
    opened = finisher().opened(under_way)
    assert opened is not None
    assert (opened.exchange.model, opened.exchange.message_count, opened.exchange.workflow) == (
        "claude-sonnet-4-6",
        1,
        "nightly",
    )
    under_way = captured()
    under_way.over = under_way.upload_complete = False
    opened = finisher().opened(under_way)
    assert opened is not None
    assert opened.exchange.model is None


def test_a_reader_that_fails_costs_the_facts_and_not_the_record() -> None:
    """D7"""
    failures: list[int] = []
    capture = captured()

    class Broken:
        def feed(self, data: bytes, at_ms: float) -> None: ...
        def end(self) -> object:
            raise ZeroDivisionError

    capture.reader = Broken()  # type: ignore[assignment]
    made = Finisher(process="p1", salt=b"s", capture=CaptureLimits(), read_failed=lambda: failures.append(1)).finished(
        capture
    )
    assert (made.exchange.outcome, made.exchange.parse_error, failures) == (Outcome.OK, "ZeroDivisionError", [1])


def test_limits_of_the_other_dialect_count_from_the_answer_and_belong_to_its_organisation() -> None:
    """`x-ratelimit-reset-*` is the time left when the answer began, here 5 ms after accept."""
    capture = captured()
    capture.upstream_headers = [
        (b"openai-organization", b"org-2"),
        (b"x-ratelimit-remaining-tokens", b"7"),
        (b"x-ratelimit-reset-tokens", b"1m0s"),
    ]
    exchange = finisher().finished(capture).exchange
    assert exchange.limits == (LimitReading("org-2", "tokens", None, 7, 1_795_270_061),)
    assert exchange.upstream_organization_id == exchange.account == "org-2"
