from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from proxy.ledger.folder import Folder, prepare
from tests.cli.commands import Done, command
from tests.ledger.samples import finished, request_id, store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 450 requests, more than two pages, which nobody changes."""
    folder = Folder(tmp_path_factory.mktemp("export") / "data")
    prepare(folder)
    store(folder, *(finished(number, content=b"\xff%d" % number) for number in range(450)))
    return folder.path


def exported(data: Path, *options: str) -> list[dict[str, object]]:
    done = command(data.parent, "export", "--data", str(data), *options)
    assert (done.code, done.err) == (0, "")
    return [json.loads(line) for line in done.out.splitlines()]


def test_every_request_is_one_line_newest_first(data: Path) -> None:
    ids = [line["request_id"] for line in exported(data)]
    assert ids == [request_id(number) for number in reversed(range(450))]


def test_a_line_is_what_the_api_says_of_the_request(data: Path) -> None:
    [line] = exported(data, "--since", "2025-10-09T08:53:21Z", "--until", "2025-10-09T08:53:21.5Z")
    assert (line["request_id"], line["time"]) == (request_id(1), "2025-10-09T08:53:21.000Z")
    assert (line["model"], line["status"], line["input_tokens_total"]) == ("claude-sonnet-4-5", 200, 80)
    assert "bodies" not in line


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--model", "SONNET"), 450),
        (("--model", "opus"), 0),
        (("--status", "2xx"), 450),
        (("--status", "404"), 0),
        (("--endpoint", "default"), 450),
        (("--endpoint", "other"), 0),
        (("--outcome", "failed"), 0),
        (("--since", "1m"), 0),
        (("--until", "1m"), 450),
    ],
)
def test_filters_are_those_of_the_inspector(data: Path, options: tuple[str, ...], count: int) -> None:
    assert len(exported(data, *options)) == count


def test_bodies_come_as_text_or_in_base64(data: Path) -> None:
    bodies = exported(data, "--bodies")[0]["bodies"]
    assert isinstance(bodies, dict)
    content = b"\xff449"
    assert base64.b64decode(bodies["client_request"]["base64"]) == content
    assert bodies["upstream_request"] == bodies["client_request"]
    assert bodies["client_request"]["bytes"] == len(content)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--since", "soon"), "Error: --since must be a time such as 2026-11-21T12:00Z or an age such as 24h.\n"),
        (("--status", "9"), "Error: 'status' must be a status code or one of 200, 2xx, 3xx, 4xx, 5xx, none.\n"),
    ],
)
def test_a_wrong_filter_is_wrong_usage(data: Path, options: tuple[str, ...], sentence: str) -> None:
    done = command(data.parent, "export", "--data", str(data), *options)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(sentence)


def test_without_a_ledger_there_is_one_sentence(tmp_path: Path) -> None:
    assert command(tmp_path, "export", "--data", "nowhere") == Done(
        2,
        "",
        f"anthropic-proxy: there is no ledger in {tmp_path}/nowhere: "
        "name the folder that a proxy writes to with --data\n",
    )
