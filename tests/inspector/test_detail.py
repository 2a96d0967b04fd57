from __future__ import annotations

import html
import re

import pytest

from tests.inspector.conftest import Sample
from tests.inspector.site import Site


def words(site: Site, path: str) -> str:
    """The text of a page, without markup."""
    with site.client() as client:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_a_stream_is_shown_as_the_message_it_made(sample: Sample, site: Site) -> None:
    """S0-13 … S0-25, S2-30 … S2-61"""
    seen = words(site, f"/requests/{sample.ids['stream']}")

    for text in (
        "Model and parameters", "budget_tokens", "System prompt 14 characters", "You are terse.",
        "Tools 1: get_weather", "Messages 3",
        "tool result toolu_1 error", "no such town", "image image/png base64", "finished: tool_use",
        "The quick brown fox jumps over", '"location" : "San Francisco, CA"', "Show raw SSE", "Cache created 1,000",
        "input_cache_write_5_min 700 $3.75 / M $0.002625", "First token latency 881 ms", "api.anthropic.com:443",
        "window 7d 42.5 % allowed", "requests of this session", "Raw metadata", "Exact bytes of the request",
    ):  # fmt: skip
        assert text in seen, text


def test_the_raw_stream_has_a_time_for_every_event(sample: Sample, site: Site) -> None:
    """S0-28"""
    seen = words(site, f"/requests/{sample.ids['stream']}?raw=1")

    assert "700 ms event: message_start" not in seen
    assert "1.10 s event: message_start data:" in seen
    assert "2.70 s event: message_stop" in seen
    assert "Show the message" in seen


def test_an_answer_that_is_no_stream_is_shown_with_its_json(sample: Sample, site: Site) -> None:
    """S0-26"""
    assert "The quick brown fox" in words(site, f"/requests/{sample.ids['json']}")
    assert '"stop_reason" : "tool_use"' in words(site, f"/requests/{sample.ids['json']}?raw=1")


@pytest.mark.parametrize(
    ("name", "heading", "body"),
    [
        ("error", "429 rate_limit_error", '"type" : "rate_limit_error"'),
        ("instream", "200 in stream: overloaded_error", '"Overloaded"'),
    ],
)
def test_errors_stand_in_a_banner_with_their_body(
    sample: Sample, site: Site, name: str, heading: str, body: str
) -> None:
    """S0-27"""
    with site.client() as client:
        text = client.get(f"/requests/{sample.ids[name]}").text
    banner = re.search(r'<section class="banner error".*?</section>', text, re.S)
    assert banner is not None
    seen = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", banner[0])).split())

    assert heading in seen
    assert body in seen


def test_a_client_that_left_is_no_error_of_the_answer(sample: Sample, site: Site) -> None:
    with site.client() as client:
        text = client.get(f"/requests/{sample.ids['left']}").text
    assert '<section class="banner warn"' in text
    assert '<section class="banner error"' not in text


def test_what_was_not_captured_is_said_with_the_reason(sample: Sample, site: Site) -> None:
    """S0-28"""
    seen = words(site, f"/requests/{sample.ids['uncaptured']}")

    assert seen.count("The body is not stored: capture was off for this request.") == 2
    assert "Show raw SSE" not in seen
    assert "Total cost — no price known" in seen
    assert "The body is not stored" in words(site, f"/requests/{sample.ids['uncaptured']}?raw=1")


def test_bodies_that_cannot_be_read_are_shown_as_they_are(sample: Sample, site: Site) -> None:
    seen = words(site, f"/requests/{sample.ids['broken']}")

    assert '{"model": "m", "messages": [' in seen
    assert "not json" in seen


@pytest.mark.parametrize(
    ("hop", "label", "text"),
    [
        ("client_request", "Client → proxy", "claude-cli/2.1.329"),
        ("upstream_request", "Proxy → upstream", "api.anthropic.com"),
        ("upstream_response", "Upstream → proxy", "event: message_stop"),
        ("client_response", "Proxy → client", "x-proxy-request-id"),
    ],
)
def test_every_stage_has_its_headers_and_body(sample: Sample, site: Site, hop: str, label: str, text: str) -> None:
    """S2-36 … S2-43"""
    with site.client() as client:
        page = client.get(f"/requests/{sample.ids['gzip']}?view=json&hop={hop}").text

    assert f'<h2 id="hop">{label}</h2>' in page
    assert text in html.unescape(re.sub(r"<[^>]+>", "", page))
    assert f"/bodies/{hop}" in page


def test_a_running_request_waits_for_its_end(sample: Sample, site: Site) -> None:
    seen = words(site, f"/requests/{sample.ids['open']}")

    assert "Still running." in seen
    assert "The request is still running; bodies are stored when it ends." in seen


def test_an_unknown_stage_is_the_first_one(sample: Sample, site: Site) -> None:
    assert "Client → proxy Headers" in words(site, f"/requests/{sample.ids['json']}?view=json&hop=nowhere")
