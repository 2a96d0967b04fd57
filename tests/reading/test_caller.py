"""Callers have a fingerprint, and readings an account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Headers
from proxy.reading.caller import (
    PASSING,
    account,
    bare,
    caller_key,
    digest,
    is_credential,
    is_secret_parameter,
    lasting,
    secret,
    secrets,
)

SALT = b"salt"
KEY = "sk-ant-api03-" + "k" * 90
OAUTH = "sk-ant-oat01-" + "o" * 90
ACCOUNT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


@pytest.mark.parametrize(
    "headers",
    [
        (("Authorization", f"Bearer {KEY}"),),
        (("authorization", f"bearer   {KEY} "),),
        (("X-Api-Key", KEY),),
        (("x-api-key", ""), ("api-key", KEY)),
        (("x-api-key", "other"), ("authorization", f"Bearer {KEY}")),
    ],
)
def test_same_secret_in_any_header_has_the_same_fingerprint(headers: Headers) -> None:
    assert secret(headers) == KEY
    assert caller_key(headers, None, SALT) == f"caller-{digest(KEY, SALT)}"


def test_fingerprint_is_short_salted_and_tells_callers_apart() -> None:
    """H2"""
    first = caller_key((("x-api-key", KEY),), None, SALT)
    assert first is not None
    assert len(first) == len("caller-") + 8
    assert first != caller_key((("x-api-key", KEY),), None, b"other salt")
    assert first != caller_key((("x-api-key", KEY + "x"),), None, SALT)


def test_caller_by_oauth_is_known_by_its_account_across_tokens() -> None:
    keys = {caller_key((("authorization", f"Bearer {OAUTH}{n}"),), ACCOUNT, SALT) for n in range(3)}
    assert keys == {f"caller-{digest(ACCOUNT, SALT)}"}
    assert caller_key((("authorization", f"Bearer {OAUTH}"),), None, SALT) == f"caller-{digest(OAUTH, SALT)}"
    assert caller_key((("x-api-key", KEY),), ACCOUNT, SALT) == f"caller-{digest(KEY, SALT)}"


@pytest.mark.parametrize("headers", [(), (("authorization", ""),), (("cookie", "a=b"),)])
def test_anonymous_caller_has_no_key(headers: Headers) -> None:
    assert caller_key(headers, ACCOUNT, SALT) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Authorization", True),
        ("proxy-authorization", True),
        ("x-api-key", True),
        ("X_Api_Key", True),
        ("api-key", True),
        ("x-goog-api-key", True),
        ("x-proxy-key", True),
        ("cookie", True),
        ("Set-Cookie", True),
        ("x-amz-security-token", True),
        ("x-auth-token", True),
        ("helicone-auth", True),
        ("cf-aig-authorization", True),
        ("cf-access-jwt-assertion", True),
        ("ocp-apim-subscription-key", True),
        ("private-token", True),
        ("x-hub-signature-256", True),
        ("X-ApiKey", True),
        ("x-portkey-virtual-key", True),
        ("x-amzn-oidc-data", True),
        ("anthropic-ratelimit-tokens-limit", False),
        ("x-ratelimit-remaining-tokens", False),
        ("www-authenticate", False),
        ("sec-websocket-key", False),
        ("x-cache-key", False),
        ("x-claude-code-session-id", False),
        ("idempotency-key", False),
        ("user-agent", False),
    ],
)
def test_credential_headers_and_their_look_alikes(name: str, expected: bool) -> None:
    assert is_credential(name) is expected


@pytest.mark.parametrize(
    "name",
    ["key", "API_KEY", "access_token", "X-Amz-Signature", "accessToken", "user[password]", "client_assertion", "pwd"],
)
@pytest.mark.parametrize("suffix", ["", "s_of_life"])
def test_secret_parameters(name: str, suffix: str) -> None:
    assert is_secret_parameter(name + suffix) is (not suffix)


def test_secret_parameters_in_lists_are_secret() -> None:
    assert is_secret_parameter("key[]")
    assert not is_secret_parameter("keys[]")


def test_all_secrets_of_a_request_are_found_once() -> None:
    headers = (
        ("authorization", f"Bearer {KEY}"),
        ("x-api-key", KEY),
        ("x_api_key", "another-one"),
        ("cookie", "theme=dark; session=0123456789abcdef0123"),
        ("user-agent", "curl"),
    )
    assert secrets(headers, "beta=true&key=AIza%2B123&empty&token=") == (
        KEY,
        "another-one",
        "0123456789abcdef0123",
        "AIza+123",
    )
    assert secrets(()) == ()


def test_scheme_is_no_part_of_the_secret() -> None:
    assert [bare(value) for value in ("Basic dTpw", "Bearer x", "x", " ", "Odd thing")] == [
        "dTpw",
        "x",
        "x",
        "",
        "Odd thing",
    ]


@given(st.sampled_from(sorted(PASSING)) | st.text(max_size=40), st.text(max_size=10))
def test_no_credential_is_among_the_fields_that_pass(name: str, value: str) -> None:
    """H1: a caller's secrets are found in the others, once for all requests with the same"""
    assert lasting(((name, value),)) == ((name, value),) or not is_credential(name)


def test_secrets_are_those_of_this_request_whatever_was_asked_before() -> None:
    for number in range(200):
        field = ("x-api-key", f"{KEY}{number % 100}")
        sent = (field, ("content-length", str(number)))
        assert (secret(sent), secrets(sent, f"token=t{number}")) == (field[1], (field[1], f"t{number}"))


def test_account_follows_its_rule() -> None:
    everything = {"credential": "team-a", "organization_id": "org", "account_uuid": "acc", "key": "caller-1"}
    assert account(**everything) == "team-a"
    assert account(**{**everything, "credential": None}) == "org/acc"
    assert account(credential=None, organization_id="org", account_uuid=None, key="caller-1") == "org"
    assert account(credential=None, organization_id=None, account_uuid="acc", key="caller-1") == "caller-1"
    assert account(credential=None, organization_id=None, account_uuid=None, key=None) is None
