"""Every kind of secret is found where people put it, and ordinary text is left alone."""

from __future__ import annotations

import json

import pytest

from proxy.reading.redaction.kinds import KINDS
from proxy.reading.redaction.scan import Scanner
from tests.kit.secrets import SECRETS

SCANNER = Scanner()
HARMLESS = (
    "a task-management-system-configuration-with-2-Parts and disk-usage-monitor-for-every-Server-1",
    "https://user@example.com/path?page=2&key=a&sort=asc postgres://localhost:5432/db http://[::1]:8080/x@y",
    'sorted(rows, key=lambda row: row.token) or password=None; api_key=os.environ["API_KEY"]',
    '{"type": "object", "properties": {"password": {"type": "string"}, "api_key": {"description": "the key to use"}}}',
    '{"max_tokens": 4096, "input_tokens": 12, "access_token": null, "secret": ""} eyJhbGciOiJIUzI1NiJ9 alone',
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUB\n-----END CERTIFICATE-----",
    "toolu_01A09q90qw90lq917835lq9 msg_01XFDUDYJgAACzvnptvVoYEL px_01KBJ8Z1QK2M3N4P5Q6R7S8T9V req_011CSHoEeqs5C35K2UUq",
    "Bearer authentication is used; Basic knowledge helps. export PASSWORD=$(cat file) OPENAI_API_KEY=${KEY}",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 c2stYW50 AKIA npm_run xoxb- AIza",
)


def found(text: bytes) -> set[str]:
    return {secret.rule for secret in SCANNER.find(text)}


def test_every_kind_has_an_example() -> None:
    assert set(SECRETS) == {kind.name for kind in KINDS}
    assert len(KINDS) >= 40
    assert min(len(anchor) for kind in KINDS for anchor in kind.anchors) >= 3


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "around",
    [
        lambda secret: secret,
        lambda secret: f"see {secret} there",
        lambda secret: json.dumps({"text": f"line\n{secret}\nline"}),
        lambda secret: json.dumps({"input": json.dumps({"text": secret})}),
    ],
    ids=["alone", "in a sentence", "on a line in JSON", "in JSON in JSON"],
)
def test_a_secret_of_each_kind_is_found(name: str, around: object) -> None:
    """N-19, H1"""
    text = around(SECRETS[name]).encode()  # type: ignore[operator]
    assert name in found(text), text


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_masked_once_is_not_a_secret_any_more(name: str) -> None:
    text = SECRETS[name].encode()
    for secret in sorted(SCANNER.find(text), reverse=True):
        text = text[: secret.start] + b"***abcd-01234567" + text[secret.end :]
    assert found(text) == set()


@pytest.mark.parametrize("text", HARMLESS, ids=[text[:24] for text in HARMLESS])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert found(text.encode()) == set()
    assert found(json.dumps({"text": text}).encode()) == set()
