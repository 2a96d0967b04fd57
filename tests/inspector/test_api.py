from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.requests import Request

from proxy.exchange import Hop
from proxy.inspector.api import Api
from proxy.inspector.ledger import Ledger
from tests.inspector.conftest import REQUEST, Sample, vector
from tests.inspector.filling import json_bytes
from tests.inspector.site import Site


def names(sample: Sample, ids: list[str]) -> list[str]:
    known = {request_id: name for name, request_id in sample.ids.items()}
    return [known[request_id] for request_id in ids]


def listed(sample: Sample, site: Site, **parameters: str) -> list[str]:
    with site.client() as client:
        answer = client.get("/api/v1/exchanges", params=parameters)
    assert answer.status_code == 200, answer.text
    return names(sample, [item["request_id"] for item in answer.json()["items"]])


def test_model_calls_come_newest_first(sample: Sample, site: Site) -> None:
    """S0-3"""
    assert listed(sample, site) == [
        "open", "broken", "uncaptured", "left", "instream", "error", "json", "gzip", "stream",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"operation": "count_tokens"}, ["count"]),
        ({"model": "mystery"}, ["uncaptured"]),
        ({"status": "4xx"}, ["error"]),
        ({"status": "429"}, ["error"]),
        ({"outcome": "failed"}, ["left", "instream", "error"]),
        ({"outcome": "open"}, ["open"]),
        ({"endpoint": "production"}, ["gzip"]),
        ({"finish_reason": "end_turn"}, []),
        ({"to": "2026-11-21T12:51:33Z"}, ["stream"]),
        ({"from": "2026-11-21T12:52:00Z"}, ["open"]),
        ({"model": "' OR 1=1 --"}, []),
        ({"model": "%"}, []),
    ],
)
def test_filters_narrow_the_list(sample: Sample, site: Site, parameters: dict[str, str], expected: list[str]) -> None:
    """S0-11, S0-12, S0-30, S0-33, H10"""
    assert listed(sample, site, **parameters) == expected


def test_a_request_is_found_by_each_of_its_ids(sample: Sample, site: Site) -> None:
    """S2-5"""
    request_id = sample.ids["stream"]
    tail = request_id[-12:]

    for wanted in (request_id, f"req_{tail}", f"msg_{tail}"):
        assert listed(sample, site, request_id=wanted) == ["stream"]
    assert listed(sample, site, request_id=sample.ids["count"]) == ["count"]


def test_pages_follow_the_cursor_to_the_end(sample: Sample, site: Site) -> None:
    seen: list[str] = []
    before = None
    with site.client() as client:
        while True:
            page = client.get(
                "/api/v1/exchanges", params={"limit": "4", **({"before": before} if before else {})}
            ).json()
            seen += [item["request_id"] for item in page["items"]]
            before = page["next"]
            if before is None:
                break

    assert names(sample, seen) == listed(sample, site)
    assert listed(sample, site, after=sample.ids["left"]) == ["open", "broken", "uncaptured"]


def test_what_is_newer_takes_one_look_at_the_ledger(sample: Sample) -> None:
    class Counted(Ledger):
        looks = 0

        @contextmanager
        def read(self, seconds: float = 1.0) -> Iterator[sqlite3.Connection]:
            self.looks += 1
            with super().read(seconds) as conn:
                yield conn

    ledger = Counted(sample.folder.ledger)
    asked = {"type": "http", "query_string": f"after={sample.ids['left']}".encode(), "headers": []}
    assert Api(ledger).exchanges(Request(asked)).status_code == 200
    assert ledger.looks == 1


@pytest.mark.parametrize(
    "parameters",
    [{"status": "abc"}, {"limit": "x"}, {"before": "1; DROP TABLE exchanges"}, {"modle": "x"}, {"from": "never"}],
)
@pytest.mark.parametrize("ending", ["", ".csv", ".jsonl"])
def test_nonsense_is_400_and_one_sentence(site: Site, parameters: dict[str, str], ending: str) -> None:
    with site.client() as client:
        answer = client.get(f"/api/v1/exchanges{ending}", params=parameters)

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "bad_request")
    assert answer.json()["error"]["message"].endswith(".")


def test_one_request_has_costs_timings_and_attempts(sample: Sample, site: Site) -> None:
    with site.client() as client:
        seen = client.get(f"/api/v1/exchanges/{sample.ids['json']}").json()

    assert (seen["cost_usd"], [item["fee_item"] for item in seen["cost_items"]]) == (0.051006, ["prompt", "completion"])
    assert seen["timings"]["upstream_ms"] == 2888.6
    assert seen["attempts"][0]["status"] == 200
    assert seen["time"].startswith("2026-11-21T12:51:3")


@pytest.mark.parametrize("hop", list(Hop))
def test_bodies_are_the_exact_bytes_and_never_run(sample: Sample, site: Site, hop: Hop) -> None:
    """H5"""
    body, _ = vector("anthropic_json_tool.json")
    with site.client() as client:
        answer = client.get(f"/api/v1/exchanges/{sample.ids['json']}/bodies/{hop.value}")

    assert answer.content == (json_bytes(REQUEST) if hop.value.endswith("request") else body)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{sample.ids["json"]}.{hop.value}.bin"'
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_encoded_bodies_are_given_as_they_were(sample: Sample, site: Site) -> None:
    with site.client() as client:
        answer = client.get(f"/api/v1/exchanges/{sample.ids['gzip']}/bodies/upstream_response")

    assert answer.content.startswith(b"\x1f\x8b")
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["px_none", "{uncaptured}/bodies/client_request", "{json}/bodies/nowhere", "{broken}/message", "{json}/events"],
)
def test_what_is_not_there_is_404_with_the_reason(sample: Sample, site: Site, path: str) -> None:
    with site.client() as client:
        answer = client.get(f"/api/v1/exchanges/{path.format(**sample.ids)}")

    assert answer.status_code == 404
    assert answer.json()["error"]["message"].endswith(".")


@pytest.mark.parametrize("name", ["stream", "gzip"])
def test_a_stream_is_given_as_one_message(sample: Sample, site: Site, name: str) -> None:
    """S0-25"""
    with site.client() as client:
        message = client.get(f"/api/v1/exchanges/{sample.ids[name]}/message").json()

    assert message["stop_reason"] == "tool_use"
    assert message["content"][0]["thinking"] == "The quick brown fox jumps over "
    assert message["content"][1]["input"] == {"location": "San Francisco, CA", "unit": "°C"}


def test_the_events_of_a_stream_are_given_with_their_times_page_by_page(sample: Sample, site: Site) -> None:
    path = f"/api/v1/exchanges/{sample.ids['stream']}/events"
    with site.client() as client:
        whole = client.get(path, params={"data": "true"}).json()
        pages: list[dict[str, object]] = []
        following: str | None = "-1"
        while following is not None:
            page = client.get(path, params={"after": following, "limit": "3"}).json()
            pages += page["items"]
            following = page["next"]

    assert whole["next"] is None
    assert [event["index"] for event in pages] == list(range(len(whole["items"])))
    assert pages == [{name: value for name, value in event.items() if name != "data"} for event in whole["items"]]
    assert (whole["items"][0]["name"], whole["items"][-1]["name"]) == ("message_start", "message_stop")
    assert all(json.loads(event["data"])["type"] == event["name"] for event in whole["items"])
    assert all(event["bytes"] == len(event["data"].encode()) for event in whole["items"])
    times = [event["ms"] for event in whole["items"]]
    assert times == sorted(times)
    assert times[0] < times[-1]


def test_a_compressed_stream_has_the_same_events(sample: Sample, site: Site) -> None:
    with site.client() as client:
        plain, packed = (
            client.get(f"/api/v1/exchanges/{sample.ids[name]}/events", params={"data": "true"}).json()["items"]
            for name in ("stream", "gzip")
        )

    assert [event["data"] for event in packed] == [event["data"] for event in plain]


@pytest.mark.parametrize("query", ["limit=0", "limit=5000", "after=x", "data=1", "before=1", "limit=%00", "after=-2"])
def test_a_parameter_of_events_that_makes_no_sense_is_400(sample: Sample, site: Site, query: str) -> None:
    with site.client() as client:
        answer = client.get(f"/api/v1/exchanges/{sample.ids['stream']}/events?{query}")

    assert answer.status_code == 400


def test_exports_hold_everything_that_matches(sample: Sample, site: Site) -> None:
    with site.client() as client:
        jsonl = client.get("/api/v1/exchanges.jsonl", params={"limit": "2"})
        table = client.get("/api/v1/exchanges.csv", params={"outcome": "failed"})
        accepted = client.get("/api/v1/exchanges", headers={"accept": "text/csv"})
    lines = [json.loads(line) for line in jsonl.text.splitlines()]
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))

    assert names(sample, [line["request_id"] for line in lines]) == listed(sample, site)
    assert names(sample, [row["request_id"] for row in rows]) == ["left", "instream", "error"]
    assert table.headers["content-disposition"] == 'attachment; filename="exchanges.csv"'
    assert len(accepted.text.splitlines()) == len(lines) + 1
