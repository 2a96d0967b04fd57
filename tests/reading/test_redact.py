"""No secret of a caller is in what is stored."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.caller import digest
from proxy.reading.encodings import decode, encode
from proxy.reading.redact import Redactor
from tests.reading.streams import CODINGS

SALT = b"salt"
CANARY = "sk-ant-api03-" + "Canary0123456789" * 5 + "-wXyZ"
MASK = f"***wXyZ-{digest(CANARY, SALT)}"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor([CANARY], SALT)


@pytest.mark.parametrize(
    ("secret", "last"),
    [
        (CANARY, "wXyZ"),
        ("sk-ant-api03-" + "x" * 15, ""),
        ("sk-ant-api03-" + "x" * 12 + "last", "last"),
        ("AIza" + "x" * 11 + "last", ""),
        ("short", ""),
        ("x" * 30 + '"} \\', ""),
    ],
)
def test_mask_shows_the_last_four_of_long_secrets_only(redactor: Redactor, secret: str, last: str) -> None:
    """H2: what a known prefix hides does not count."""
    assert redactor.mask(secret) == f"***{last}-{digest(secret, SALT)}"


def test_mask_does_not_tell_the_length(redactor: Redactor) -> None:
    """H2"""
    assert len(redactor.mask("a" * 20)) == len(redactor.mask("a" * 2000))


def test_credential_headers_are_masked_and_others_searched(redactor: Redactor) -> None:
    """H1"""
    headers = (
        ("Authorization", f"Bearer {CANARY}"),
        ("x-api-key", CANARY),
        ("X_Api_Key", "unrelated-secret-value"),
        ("x-goog-api-key", CANARY),
        ("cookie", f"a={CANARY}"),
        ("set-cookie", "_cfuvid=test1; path=/; HttpOnly; Secure"),
        ("x-echo", f"you sent {CANARY}!"),
        ("user-agent", "curl/8"),
        ("x-api-key", ""),
    )
    masked = redactor.headers(headers)
    assert [name for name, _ in masked] == [name for name, _ in headers]
    values = [value for _, value in masked]
    assert values[0] == f"Bearer {MASK}"
    assert values[1] == values[3] == MASK
    assert values[2].startswith("***alue-")
    assert values[6:] == [f"you sent {MASK}!", "curl/8", ""]
    assert "test1" not in values[5]
    assert CANARY not in repr(masked)


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        ("beta=true", "beta=true"),
        ("", ""),
        (f"key={CANARY}&beta=true", f"key={MASK}&beta=true"),
        (f"x={CANARY}", f"x={MASK}"),
        ("API%5FKEY=abc&&a", f"API%5FKEY=***-{digest('abc', SALT)}&&a"),
        (f"{CANARY}", MASK),
    ],
)
def test_query_keeps_its_shape(redactor: Redactor, query: str, masked: str) -> None:
    """H1"""
    assert redactor.query(query) == masked


@pytest.mark.parametrize(
    "echo",
    [
        CANARY.encode(),
        quote(CANARY, safe="").encode(),
        base64.b64encode(CANARY.encode()),
        base64.b64encode(b"user:" + CANARY.encode() + b":rest"),
        base64.urlsafe_b64encode(b"ab" + CANARY.encode()),
        json.dumps({"error": {"message": f"invalid x-api-key {CANARY}"}}).encode(),
    ],
)
def test_secret_is_masked_in_every_spelling(redactor: Redactor, echo: bytes) -> None:
    """H1, C23"""
    masked, found = redactor.body(b"before " + echo + b" after")
    assert found
    assert CANARY.encode() not in masked
    assert echo[60:80] not in masked
    assert MASK.encode() in masked
    assert masked.startswith(b"before ")


def test_secret_with_special_characters_is_found_as_json_and_in_urls() -> None:
    secret = 'pa"ss\\wörd/1234567+='
    redactor = Redactor([secret], SALT)
    for echo in (json.dumps(secret, ensure_ascii=False), quote(secret, safe=""), secret):
        masked, found = redactor.body(echo.encode())
        assert found
        assert b"1234567" not in masked


def test_json_stays_json(redactor: Redactor) -> None:
    body = json.dumps({"a": [CANARY, {"b": f"x{CANARY}{CANARY}"}]}).encode()
    assert json.loads(redactor.body(body)[0]) == {"a": [MASK, {"b": f"x{MASK}{MASK}"}]}


@pytest.mark.parametrize("coding", CODINGS)
def test_encoded_body_is_masked_inside_and_encoded_again(redactor: Redactor, coding: str) -> None:
    masked, found = redactor.body(encode(f"echo {CANARY}".encode(), coding), coding)
    assert found
    assert decode(masked, coding).data == f"echo {MASK}".encode()


@pytest.mark.parametrize("coding", [None, *CODINGS, "unknown"])
def test_body_without_a_secret_is_the_same_object(redactor: Redactor, coding: str | None) -> None:
    body = encode(b'{"text": "nothing here"}', coding)
    masked, found = redactor.body(body, coding)
    assert masked is body
    assert not found


def test_broken_encoded_body_is_masked_as_far_as_it_can_be_read(redactor: Redactor) -> None:
    body = encode(f"echo {CANARY} ".encode() * 3000, "gzip")
    masked, found = redactor.body(body[:-8], "gzip")
    assert found
    assert CANARY.encode() not in decode(masked, "gzip").data


def test_secret_in_a_body_that_only_claims_a_coding_is_masked(redactor: Redactor) -> None:
    assert redactor.body(CANARY.encode(), "gzip") == (MASK.encode(), True)


def test_tokens_of_an_oauth_answer_are_masked(redactor: Redactor) -> None:
    """H1: secrets that nobody has sent yet."""
    body = json.dumps({"access_token": "sk-ant-oat01-new-token", "expires_in": 3600, "refresh_token": CANARY}).encode()
    masked, found = redactor.body(body)
    assert found
    assert json.loads(masked) == {
        "access_token": redactor.mask("sk-ant-oat01-new-token"),
        "expires_in": 3600,
        "refresh_token": MASK,
    }


def test_short_secrets_are_not_searched_for() -> None:
    redactor = Redactor(["tok", ""], SALT)
    assert redactor.body(b"a token") == (b"a token", False)
    assert redactor.headers((("authorization", "Bearer tok"),)) == (
        ("authorization", f"Bearer ***-{digest('tok', SALT)}"),
    )


def test_longer_secret_is_masked_before_the_one_inside_it() -> None:
    redactor = Redactor(["abcdefgh", "abcdefgh-ijklmnop"], SALT)
    assert redactor.text("abcdefgh-ijklmnop") == redactor.mask("abcdefgh-ijklmnop")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(0, 2))
def test_secret_never_survives_whatever_surrounds_it(before: bytes, after: bytes, form: int) -> None:
    """H1"""
    plain = CANARY.encode()
    spelling = [plain, base64.b64encode(before + plain + after), quote(plain, safe="").encode()][form]
    masked, found = Redactor([CANARY], SALT).body(before + spelling + after)
    assert found
    assert plain not in masked
    assert base64.b64encode(plain)[8:-8] not in masked


def test_parameters_may_be_parted_by_semicolons() -> None:
    masked = Redactor([], b"salt").query("a=1;key=sk-ant-api03-secretsecret;b=2&token=othersecret")
    assert "secret" not in masked
    assert masked.startswith("a=1;key=***")
    assert ";b=2&token=***" in masked
