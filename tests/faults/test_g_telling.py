"""Group G, what is told: nothing that a receiver refuses, nothing made up by clients as a label, nothing of oneself."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from proxy.names.metrics import INSTRUMENTS
from proxy.observer.labels import MOST_KEYS
from tests.end_to_end import signals
from tests.faults.exporting import assert_all_told, by_id, counted, exporting, health, log_id, memory, telling, to
from tests.kit import laws
from tests.kit.conditions import WallClock
from tests.kit.process import Proxy, wait
from tests.kit.raw import MESSAGES, Connection, Reply, address, ask, get, post
from tests.kit.upstream import DELTA, END, START, Talk, Upstream
from tests.processes.load import Load, Streams
from tests.receiver import Received, Receiver, Value, receiver, values
from tests.receiver import Reply as Answer
from tests.servers.cache import program

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
HOSTILE = 10_000
CLIENTS = 8
NEW_KEY_EVERY = 25
"""Requests of a client."""
MOST_SERIES = 500
MOST_GROWTH = {"relay": 96 << 20, "observer": 32 << 20}
"""Bytes; generous for a relay whose records wait for the disk of a busy machine."""
SCRAPERS = 50
DAY_S = 86_400
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{PARENT}-01"


def answering(talk: Talk) -> None:
    """A long stream where one is asked for, else an answer of the very model that was asked for, whatever its name."""
    if talk.seen.values(b"x-test-long"):
        talk.stream([START, *[DELTA] * 200, END])
        return
    try:
        asked = json.loads(talk.seen.body).get("model")
    except ValueError:
        asked = None
    usage = {"input_tokens": 3, "output_tokens": 4}
    talk.answer(json.dumps({"type": "message", "id": "msg_1", "model": asked, "usage": usage}).encode())


def loki(received: Received) -> Answer | None:
    """What Loki refuses by its defaults: https://grafana.com/docs/loki/latest/configure/#limits_config"""
    if not isinstance(received.message, ExportLogsServiceRequest):
        return None
    now = time.time_ns()
    for resource in received.message.resource_logs:
        assert len(resource.resource.attributes) <= 15
        for record in resource.scope_logs[0].log_records:
            held = sum(len(key) + len(str(value).encode()) for key, value in values(record.attributes).items())
            too_much = len(record.body.string_value.encode()) > 256 * 1024 or held > 64 * 1024
            age_s = (now - record.time_unix_nano) / 1e9
            if too_much or len(record.attributes) > 128 or not -600 < age_s < 7 * DAY_S:
                return Answer(400, b"entry too far behind, or too large", "text/plain")
    return None


class Told:
    """The proxy of this module and who it tells."""

    def __init__(self, proxy: Proxy, otlp: Receiver, upstream: Upstream) -> None:
        self.proxy = proxy
        self.otlp = otlp
        self.upstream = upstream


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Ends with the laws, and with nothing having been refused."""
    with Upstream(script=answering).running() as upstream, receiver() as otlp:
        otlp.judge(loki)
        proxy = Proxy(tmp_path_factory.mktemp("proxy"), upstream.url, env=to(otlp))
        with telling(proxy, otlp):
            yield Told(proxy, otlp, upstream)
            assert proxy.rows("SELECT * FROM dead_letters") == []


@pytest.fixture
def told(installation: Told) -> Iterator[Told]:
    """The module's; ends with the laws."""
    yield installation
    laws.check(installation.proxy, payloads=[one.body for one in installation.otlp.received])


def test_g7_nothing_that_loki_would_refuse_is_sent_and_the_ledger_has_it_all(told: Told) -> None:
    """Lines, attributes and their number stay within its limits, whatever clients and upstreams write.

    The time is that of the journal: nothing is dated anew to get in.
    """
    name = "ö" * 4_000
    body = json.dumps({"model": name, "metadata": {"user_id": name}, "stream": True}).encode()
    metadata = '{"customer": "' + "m" * 4_000 + '"}'
    headers = f"User-Agent: {'u' * 9_000}\r\nX-Proxy-Workflow: {'w' * 9_000}\r\nX-Proxy-Metadata: {metadata}\r\n"
    reply = ask(told.proxy.base_url, post(f"/v1/messages/{'p' * 5_000}", body, headers))
    row = told.proxy.exchange(reply.request_id)
    wait(lambda: record_of(told, reply) is not None, "the record")
    attributes = record_of(told, reply)
    assert attributes is not None
    assert (row["path"], row["request_bytes"]) == (f"/v1/messages/{'p' * 5_000}", len(body))
    assert attributes["path"] == "/v1/messages/" + "p" * (1_024 - 13 - 3) + "…"
    [commit_ns] = [
        each["commit_ns"]
        for each in told.proxy.rows("SELECT request_id, commit_ns FROM journal")
        if each["request_id"] == reply.request_id
    ]
    times = {
        (record.time_unix_nano, record.observed_time_unix_nano)
        for record in told.otlp.logs()
        if values(record.attributes)["request_id"] == reply.request_id
    }
    assert times == {(commit_ns, commit_ns)}
    assert attributes["duration_ms"] == pytest.approx(row["duration_ms"], abs=0.001)


def test_g7_a_stream_that_is_too_fast_for_loki_comes_again_and_what_it_discards_is_on_a_dashboard(told: Told) -> None:
    told.otlp.script("logs", Answer(429, b"Per stream rate limit exceeded (limit: 3MB/sec)", "text/plain"))
    before = health(told.proxy, "proxy_export_failures_total")["logs"]
    reply = ask(told.proxy.base_url, MESSAGES)
    wait(lambda: record_of(told, reply) is not None, "the record")
    assert health(told.proxy, "proxy_export_failures_total")["logs"] == before + 1
    boards = [
        board for board in DASHBOARDS.glob("*.json") if "loki_discarded_samples_total" in board.read_text("utf-8")
    ]
    assert boards


def record_of(told: Told, reply: Reply) -> dict[str, Value] | None:
    """Attributes of the record of a request."""
    found = (values(record.attributes) for record in told.otlp.logs())
    return next((one for one in found if one["request_id"] == reply.request_id), None)


def test_g7_records_too_old_for_loki_are_given_up_by_reason_and_hold_up_nothing(tmp_path: Path) -> None:
    """Ten days without a collector: logs that it would refuse are counted, spans and metrics arrive."""
    clock = WallClock(tmp_path)
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        otlp.judge(loki)
        otlp.stop()
        proxy = Proxy(tmp_path, upstream.url, env={**to(otlp), **clock.env})
        clock.move(-10 * DAY_S)
        with proxy.running():
            old = [ask(proxy.base_url, MESSAGES).request_id for _ in range(3)]
            proxy.finished(3)
        otlp.start()
        clock.move(0)
        with telling(proxy, otlp):
            new = ask(proxy.base_url, MESSAGES).request_id
            wait(lambda: [values(one.attributes)["request_id"] for one in otlp.logs()] == [new], "the new record")
            wait(lambda: len(otlp.spans()) == 8, "all spans")
            letters = proxy.rows("SELECT signal, request_id, reason FROM dead_letters ORDER BY seq")
            assert [tuple(row.values()) for row in letters] == [("logs", each, "too_old") for each in old]
            assert 'proxy_dead_letters_total{reason="too_old",signal="logs"} 3.0' in proxy.metrics()


def test_g7_logs_of_a_clock_that_was_ahead_are_given_up_by_reason_and_nothing_else_is(tmp_path: Path) -> None:
    """A day ahead, which Loki takes from nobody; as the journal's times only rise, that holds until it has come."""
    clock = WallClock(tmp_path)
    with receiver() as otlp, exporting(tmp_path, otlp, clock.env) as proxy:
        otlp.judge(loki)
        before = ask(proxy.base_url, MESSAGES).request_id
        wait(lambda: otlp.logs(), "the first record")
        clock.move(DAY_S)
        ahead = ask(proxy.base_url, MESSAGES).request_id
        letters = "SELECT signal, request_id, reason FROM dead_letters"
        wait(lambda: proxy.rows(letters), "the refusal")
        clock.move(0)
        after = ask(proxy.base_url, MESSAGES).request_id
        wait(lambda: len(proxy.rows(letters)) == 2, "the refusal of what came after it")
        assert [tuple(row.values()) for row in proxy.rows(letters)] == [
            ("logs", late, "export_rejected") for late in (ahead, after)
        ]
        assert [values(one.attributes)["request_id"] for one in otlp.logs()] == [before]
        assert {row["request_id"] for row in proxy.finished(3)} == {before, ahead, after}
        wait(lambda: len(otlp.spans()) == 6, "the spans of all")
        wait(lambda: signals.differences(counted(proxy, otlp), signals.expected(proxy)) == [], "the totals of all")
        assert health(proxy, "proxy_dropped_total")["export_rejected"] == 2


@pytest.mark.timeout(240)
def test_g8_ten_thousand_made_up_names_add_the_series_of_one_model(tmp_path: Path) -> None:
    """Every name is answered with success, as an upstream of somebody else's might."""
    with receiver() as otlp, exporting(tmp_path, otlp, script=answering) as proxy:
        otlp.judge(loki)
        hostile(proxy, 400, seed=1)
        settle(proxy, otlp, 400)
        before, at_first = memory(proxy), series(otlp)
        hostile(proxy, HOSTILE, seed=2)
        settle(proxy, otlp, 400 + HOSTILE)
        assert series(otlp) == at_first
        assert proxy.metrics().count("\nproxy_key_info{") == MOST_KEYS
        assert sum(at_first.values()) + MOST_KEYS < MOST_SERIES
        shown = signals.received(otlp.metrics())
        assert {value for _, own in shown for name, value in own if "model" in name} == {"other"}
        grown = {name: now - before[name] for name, now in memory(proxy).items()}
        assert all(grown[name] < most for name, most in MOST_GROWTH.items()), grown
        assert proxy.rows("SELECT * FROM dead_letters") == []


def hostile(proxy: Proxy, count: int, seed: int) -> None:
    """So many requests, each with names of its own, over a few connections."""
    threads = [
        threading.Thread(target=_hostile_client, args=(proxy.base_url, count // CLIENTS, seed * 100 + number))
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def _hostile_client(url: str, count: int, seed: int) -> None:
    chance = random.Random(seed)
    with Connection(address(url)) as connection:
        for number in range(count):
            name = f"{chance.getrandbits(64):016x}"
            body = b'{"model": "claude-%s", "metadata": {"user_id": "user_%s"}}' % (name.encode(), name.encode())
            path = "/v1/messages" if chance.random() < 0.7 else f"/{name}/v1/messages"
            key = f"sk-{seed}-{number // NEW_KEY_EVERY:012}"
            headers = f"X-Api-Key: {key}\r\nUser-Agent: {name}/1\r\nX-Proxy-Workflow: {name}\r\nX-{name}: {name}\r\n"
            connection.send(post(path, body, f"{headers}Anthropic-Beta: {name}\r\n"))
            assert connection.reply().status == 200


def series(otlp: Receiver) -> Counter[str]:
    """How many series each counter and histogram has that is sent."""
    shown = signals.received(otlp.metrics())
    return Counter(name for name, _ in shown if not name.endswith(("_bucket", "_sum")))


def settle(proxy: Proxy, otlp: Receiver, requests: int) -> None:
    """Returns when the metrics have told of so many requests."""
    counted = "SELECT seq FROM cursors WHERE name = 'metrics'"
    wait(lambda: proxy.rows(counted)[0]["seq"] == requests, "every request to be counted", 60)
    so_far = len(otlp.requests("metrics"))
    wait(lambda: len(otlp.requests("metrics")) > so_far + 1, "the counts to be sent")


def test_g9_counters_go_on_over_restarts_and_kills_and_are_cumulative(tmp_path: Path) -> None:
    with Upstream(script=Streams()).running() as upstream, receiver() as otlp:
        proxy = Proxy(tmp_path, upstream.url, env=to(otlp))
        for round_ in (1, 2, 3):
            with telling(proxy, otlp):
                for _ in range(5):
                    ask(proxy.base_url, MESSAGES)
                if round_ == 2:
                    os.kill(proxy.pid("observer"), signal.SIGKILL)
                assert_all_told(proxy, otlp, 5 * round_)
        points = [
            (point.start_time_unix_nano, point.time_unix_nano, point.as_int)
            for request in otlp.requests("metrics")
            for resource in request.message.resource_metrics  # type: ignore[union-attr]
            for metric in resource.scope_metrics[0].metrics
            if metric.name == "proxy.request.count"
            for point in metric.sum.data_points
        ]
        assert points == sorted(points)
        assert (points[0][2], points[-1][2], len({start for start, _, value in points if value})) == (0, 15, 1)
        kinds = {m.sum.aggregation_temporality for m in otlp.metrics() if m.HasField("sum")}
        assert kinds == {AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE}


def test_g9_a_wish_for_deltas_is_ignored_with_a_warning(tmp_path: Path) -> None:
    """As the contract has it: a receiver of ours could not add them up."""
    variable = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    with receiver() as otlp, exporting(tmp_path, otlp, {variable: "delta"}) as proxy:
        ask(proxy.base_url, MESSAGES)
        assert_all_told(proxy, otlp, 1)
        sums = [metric.sum.aggregation_temporality for metric in otlp.metrics() if metric.HasField("sum")]
        assert set(sums) == {AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE}
        assert f"{variable}=delta is ignored: metrics are always cumulative" in proxy.said()


def test_g13_at_rest_nothing_is_told_of_oneself(told: Told) -> None:
    """Neither lines of the exporter's own log nor its calls, scrapes and pages."""
    told.proxy.exchange(ask(told.proxy.base_url, MESSAGES).request_id)
    rows = told.proxy.rows("SELECT count(*) AS n FROM exchanges")[0]["n"]
    wait(lambda: len(by_id(told.otlp.logs(), log_id)) == rows, "everything to be told")
    requests = {kind: len(told.otlp.requests(kind)) for kind in ("logs", "traces", "metrics")}
    wait(lambda: len(told.otlp.requests("metrics")) > requests["metrics"] + 8 and told.proxy.metrics(), "some exports")
    assert {kind: len(told.otlp.requests(kind)) for kind in ("logs", "traces")} == {
        kind: requests[kind] for kind in ("logs", "traces")
    }
    assert told.proxy.rows("SELECT count(*) AS n FROM exchanges")[0]["n"] == rows


def test_g14_slow_scrapers_hold_up_neither_others_nor_requests_and_every_page_is_valid(told: Told) -> None:
    """Fifty that ask and do not read."""
    wire = get("/metrics", f"Authorization: Bearer {told.proxy.token}\r\n")
    slow = [Connection(address(told.proxy.inspector_url)) for _ in range(SCRAPERS)]
    try:
        for one in slow:
            one.send(wire)
        with Load(told.proxy.base_url, clients=2) as load:
            wait(lambda: len(load.wrong) > 20, "requests to pass")  # answered, by this module's upstream
            text = told.proxy.metrics()
        assert load.broken == 0
        assert {reply.status for reply in map(Connection.reply, slow)} == {200}
    finally:
        for one in slow:
            one.close()
    known = {instrument.name.replace(".", "_") for instrument in INSTRUMENTS}
    assert all(any(family.name.startswith(name) for name in known) for family in prometheus(text))
    with told.proxy.client() as client:
        page = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert list(openmetrics(page.text))  # type: ignore[no-untyped-call]
    assert promtool(text) in ("", None)


def promtool(text: str) -> str | None:
    """What Prometheus's own tool finds wrong with a page, but for its taste in units; None where it is not built."""
    try:
        tool = program("prometheus", "promtool")
    except FileNotFoundError:
        return None
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, text=True)
    return "" if done.returncode in (0, 3) else done.stdout + done.stderr


@pytest.mark.parametrize(
    "traceparent",
    [
        VALID,
        f"01-{TRACE}-{PARENT}-01-of-the-future",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"{VALID}, {VALID}",
        "-",
        "é".encode().decode("latin-1"),
        "00-" + "1" * 5_000,
    ],
    ids=lambda value: value[:9],
)
def test_g15_a_callers_trace_context_is_passed_on_as_it_came_and_followed_where_it_is_valid(
    told: Told, traceparent: str
) -> None:
    state = ",".join(f"v{number}=" + "t" * 200 for number in range(40))
    baggage = [f"key{number}=value".encode() for number in range(80)]
    lines = [f"traceparent: {traceparent}", f"tracestate: {state}", *(f"baggage: {one.decode()}" for one in baggage)]
    request = post("/v1/messages", b'{"model": "m"}').replace(
        b"\r\n\r\n", b"\r\n" + "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n", 1
    )
    reply = ask(told.proxy.base_url, request)
    assert reply.status == 200
    seen = told.upstream.seen[-1]
    assert seen.values(b"traceparent") == [traceparent.encode("latin-1")]
    assert seen.values(b"tracestate") == [state.encode()]
    assert seen.values(b"baggage") == baggage
    wait(lambda: spans_of(told, reply), "its spans")
    [trace_id] = {span.trace_id.hex() for span in spans_of(told, reply)}
    followed = traceparent in (VALID, f"01-{TRACE}-{PARENT}-01-of-the-future")
    assert (trace_id == TRACE, int(trace_id, 16) != 0) == (followed, True)


def spans_of(told: Told, reply: Reply) -> list:  # type: ignore[type-arg]
    """The spans of a request."""
    return [span for span in told.otlp.spans() if values(span.attributes)["proxy.request_id"] == reply.request_id]


def test_g15_no_trace_context_is_made_up_for_the_upstream(told: Told) -> None:
    assert ask(told.proxy.base_url, post("/v1/messages", b'{"model": "m"}')).status == 200
    assert not {name for name, _ in told.upstream.seen[-1].headers} & {b"traceparent", b"tracestate", b"baggage"}


def test_g16_a_long_stream_has_as_many_spans_as_a_short_answer(told: Told) -> None:
    reply = ask(told.proxy.base_url, post("/v1/messages", b'{"model": "m", "stream": true}', "X-Test-Long: 1\r\n"))
    assert reply.body.count(b"content_block_delta") == 2 * 200
    wait(lambda: len(spans_of(told, reply)) == 2, "both spans")
    time.sleep(0.5)
    assert [span.kind for span in spans_of(told, reply)] == [2, 3]
    assert [event.name for span in spans_of(told, reply) for event in span.events] == ["first_byte", "first_token"]


def ledger_of(process: psutil.Process) -> list[str]:
    """Files of the ledger that a process has open, as recorder and exports do."""
    return [file.path for file in process.open_files() if "ledger.sqlite3" in file.path]


def test_g17_threads_run_in_the_processes_that_use_them(tmp_path: Path) -> None:
    """Recorder and exports are in none that starts others, and what is started is a program of its own, no copy."""
    with receiver() as otlp, exporting(tmp_path, otlp) as proxy:
        ids = [psutil.Process(proxy.pid(name)) for name in ("supervisor", "relay", "observer")]
        supervisor, relay, observer = ids
        proxy.exchange(ask(proxy.base_url, MESSAGES).request_id)
        assert not ledger_of(supervisor)
        wait(lambda: ledger_of(relay) and ledger_of(observer), "the ledger to be in use")
        assert relay.ppid() == observer.ppid() == supervisor.pid
        assert len({tuple(process.cmdline()) for process in ids}) == 3
        os.kill(relay.pid, signal.SIGKILL)
        wait(lambda: proxy.run["processes"].get("relay", relay.pid) != relay.pid, "another relay")
        wait(proxy._ready, "it to serve")
        assert ask(proxy.base_url, MESSAGES).status == 200
        assert_all_told(proxy, otlp, 2)
