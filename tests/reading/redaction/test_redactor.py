"""No secret of a caller is in what is stored."""

from __future__ import annotations

import base64
import json
import sys
from collections import Counter
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.caller import digest, secrets
from proxy.reading.encodings import decode, encode
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Found, Scanner, Unsearchable
from tests.reading.streams import CODINGS

SALT = b"salt"
SCANNER = Scanner()
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
    masked, found, _ = redactor.body(b"before " + echo + b" after")
    assert found
    assert CANARY.encode() not in masked
    assert echo[60:80] not in masked
    assert MASK.encode() in masked
    assert masked.startswith(b"before ")


def test_secret_with_special_characters_is_found_as_json_and_in_urls() -> None:
    secret = 'pa"ss\\wörd/1234567+='
    redactor = Redactor([secret], SALT)
    for echo in (json.dumps(secret, ensure_ascii=False), quote(secret, safe=""), secret):
        masked, found, _ = redactor.body(echo.encode())
        assert found
        assert b"1234567" not in masked


def test_json_stays_json(redactor: Redactor) -> None:
    body = json.dumps({"a": [CANARY, {"b": f"x{CANARY}{CANARY}"}]}).encode()
    assert json.loads(redactor.body(body)[0]) == {"a": [MASK, {"b": f"x{MASK}{MASK}"}]}


@pytest.mark.parametrize("coding", CODINGS)
def test_encoded_body_is_masked_inside_and_encoded_again(redactor: Redactor, coding: str) -> None:
    masked, found, _ = redactor.body(encode(f"echo {CANARY}".encode(), coding), coding)
    assert found
    assert decode(masked, coding).data == f"echo {MASK}".encode()


@pytest.mark.parametrize("coding", [None, *CODINGS, "unknown"])
def test_body_without_a_secret_is_the_same_object(redactor: Redactor, coding: str | None) -> None:
    body = encode(b'{"text": "nothing here"}', coding)
    masked, found, _ = redactor.body(body, coding)
    assert masked is body
    assert not found


def test_broken_encoded_body_is_masked_as_far_as_it_can_be_read(redactor: Redactor) -> None:
    body = encode(f"echo {CANARY} ".encode() * 3000, "gzip")
    masked, found, _ = redactor.body(body[:-8], "gzip")
    assert found
    assert CANARY.encode() not in decode(masked, "gzip").data


def test_secret_in_a_body_that_only_claims_a_coding_is_masked(redactor: Redactor) -> None:
    assert redactor.body(CANARY.encode(), "gzip")[:2] == (MASK.encode(), {"caller": 1})


def test_tokens_of_an_oauth_answer_are_masked() -> None:
    """H1: secrets that nobody has sent yet."""
    redactor = Redactor([CANARY], SALT, SCANNER)
    body = json.dumps({"access_token": "sk-ant-oat01-new-token", "expires_in": 3600, "refresh_token": CANARY}).encode()
    masked, found, _ = redactor.body(body)
    assert found
    assert json.loads(masked) == {
        "access_token": redactor.mask("sk-ant-oat01-new-token"),
        "expires_in": 3600,
        "refresh_token": MASK,
    }


def test_short_secrets_are_not_searched_for() -> None:
    redactor = Redactor(["tok", ""], SALT)
    assert redactor.body(b"a tok token")[:2] == (b"a tok token", {})
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
    masked, found, _ = Redactor([CANARY], SALT).body(before + spelling + after)
    assert found
    assert plain not in masked
    assert base64.b64encode(plain)[8:-8] not in masked


def test_parameters_may_be_parted_by_semicolons() -> None:
    masked = Redactor([], b"salt").query("a=1;key=sk-ant-api03-secretsecret;b=2&token=othersecret")
    assert "secret" not in masked
    assert masked.startswith("a=1;key=***")
    assert ";b=2&token=***" in masked


def test_a_short_credential_is_masked_where_it_stands_alone_unless_it_is_a_plain_word_or_number() -> None:
    """H1: `sk-1234` is a common one"""
    redactor = Redactor(["sk-1234", "test", "12345", "a1"], SALT)
    text = b'{"error": "bad key sk-1234", "x": "sk-12345 task-1234 test 12345 a1", "n": 12345}'
    assert redactor.body(text).data == text.replace(b"key sk-1234", b"key " + redactor.mask("sk-1234").encode())


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (encode(b"nothing", "gzip") + b" and " + CANARY.encode(), "gzip"),
        (encode(encode(CANARY.encode(), "gzip"), "gzip"), "gzip, gzip"),
        (encode(encode(CANARY.encode(), "gzip"), "gzip"), "gzip"),
        (encode(CANARY.encode(), "gzip"), "lzma"),
        (encode(CANARY.encode(), "zstd"), "gzip"),
        (encode(b"a" * 2_000_000 + CANARY.encode(), "gzip"), "gzip"),
        *((encode(CANARY.encode() * 9, coding), None) for coding in CODINGS),
        (encode(CANARY.encode() * 3, "gzip")[:-9], None),
    ],
    ids=["tail", "chained", "twice", "unknown", "wrong", "bomb", *CODINGS, "cut"],
)
def test_a_body_that_nobody_can_read_is_not_taken_for_clean(
    redactor: Redactor, body: bytes, coding: str | None
) -> None:
    """H1"""
    with pytest.raises(Unsearchable):
        redactor.body(body, coding)


@pytest.mark.parametrize("coding", [None, "gzip"])
@pytest.mark.parametrize(
    "head", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"PK\3\4\x14\0\0\0\x08\0"]
)
def test_a_file_that_is_no_text_is_searched_as_the_bytes_it_is(
    redactor: Redactor, head: bytes, coding: str | None
) -> None:
    """Images and archives say what they are; only what hides a text in a coding that no header names is not kept."""
    noise = Random(1).randbytes(9_000)
    assert redactor.body(encode(head + noise, coding), coding).found == {}
    masked = redactor.body(encode(head + CANARY.encode() + noise, coding), coding)
    assert decode(masked.data, coding).data == head + MASK.encode() + noise


def test_counts_tell_rule_by_rule_what_was_masked_in_headers_query_and_text() -> None:
    """N-19: credential headers themselves are not counted, every request has them"""
    redactor, found = Redactor([CANARY], SALT, SCANNER), Counter[str]()
    for _ in range(2):
        redactor.headers((("x-api-key", CANARY), ("referer", "https://a:secret-word@b.example/?token=abcdefgh")), found)
    redactor.query(f"key={CANARY}&next=https://u:pass-word@h/", found)
    assert redactor.text(f"bad {CANARY} and AKIAIOSFODNN7ABCDEFG", found).count("***") == 2
    assert found == {"url_password": 3, "url_parameter": 2, "caller": 1, "aws_access_key": 1}


def test_the_edits_lead_from_what_was_sent_to_what_is_stored(redactor: Redactor) -> None:
    body = b"a " + CANARY.encode() + b" b " + CANARY.encode()
    masked, _, edits = redactor.body(body)
    assert edits is not None
    for start, end, length in reversed(edits):
        assert length == len(MASK)
        body = body[:start] + MASK.encode() + body[end:]
    assert body == masked


def test_the_longer_of_two_secrets_in_one_place_is_masked_once() -> None:
    redactor, mask = Redactor(["inner-secret-1"], SALT, SCANNER), Redactor([], SALT).mask("inner-secret-1")
    assert redactor.body(b'{"password": "x-inner-secret-1-y"}')[:2] == (
        f'{{"password": "{mask}"}}'.encode(),
        {"caller": 1},
    )


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        (b"you sent own-credential-0123", b"you sent "),
        (b'{"text":"token ghp_abcdefgh', b'{"text":"token '),
        (b'{"text":"a word', b'{"text":"a word'),
        (b"x" * 5000 + b" glpat-abc", b"x" * 5000 + b" "),
        (b"ghp_abc", b""),
    ],
    ids=["own", "known kind", "none", "long", "alone"],
)
@pytest.mark.parametrize("coding", [None, "gzip"])
def test_the_beginning_of_a_secret_at_a_torn_end_goes(body: bytes, stored: bytes, coding: str | None) -> None:
    """L5, C12"""
    redactor = Redactor(["own-credential-0123456789"], SALT, SCANNER)
    masked = redactor.body(encode(body, coding), coding, torn=True)
    assert decode(masked.data, coding).data == stored
    assert masked.found == ({} if stored == body else {"torn": 1})


def test_the_password_of_basic_authentication_is_a_secret_of_the_caller() -> None:
    """H1"""
    value = "Basic " + base64.b64encode(b"someone:their-password-1").decode()
    assert "their-password-1" in secrets((("authorization", value),))
    assert secrets((("authorization", "Basic no-base64!"),)) == ("no-base64!",)


def test_a_key_that_was_taken_for_the_name_of_a_header_is_masked() -> None:
    """Custom headers are lines of `name: value`; a line that is only a key, or the wrong way round, has it first."""
    for redactor, key in (
        (Redactor([CANARY], SALT), CANARY),
        (Redactor([], SALT, SCANNER), "sk-ant-api03-canary-0123456789"),
    ):
        ((name, value),) = redactor.headers((("x-before", "y"), (key, "1")))[1:]
        assert (name.startswith("***"), value) == (True, "1")


@pytest.mark.parametrize("echo", ["ab\\/cd+ef\\/0123456789==", "ab/cd%2Bef/0123456789%3D%3D"])
def test_a_secret_with_slashes_is_masked_as_php_and_as_paths_write_it(echo: str) -> None:
    redactor = Redactor(["ab/cd+ef/0123456789=="], SALT)
    assert "0123456789" not in redactor.text(f'{{"a":"{echo}"}}')


class Counting(Scanner):
    """A scanner that counts its searches."""

    searches = 0

    def find(self, data: bytes, low: int = 0, high: int = sys.maxsize) -> list[Found]:
        self.searches += 1
        return super().find(data, low, high)


def test_fields_and_texts_that_are_clean_are_searched_once_in_all() -> None:
    scanner = Counting()
    redactor = Redactor([CANARY], SALT, scanner)
    sent = (("x-api-key", CANARY), ("user-agent", "curl/8"), ("x-request", "1"))
    assert redactor.look([*sent, *sent], ["claude", "/v1/messages"])
    assert redactor.headers(sent) == (("x-api-key", MASK), *sent[1:])
    assert scanner.searches == 1
    assert not redactor.look(sent, [f"you sent {CANARY}"])
    assert not redactor.look([("x-echo", CANARY)], ["claude"])
    assert redactor.headers((("x-echo", CANARY),)) == (("x-echo", MASK),)


def test_fields_that_every_request_has_are_kept_however_many_others_come_and_go() -> None:
    scanner = Counting()
    redactor = Redactor([CANARY], SALT, scanner)
    for number in range(400):
        redactor.headers((("user-agent", "curl/8"), ("x-request", str(number))))
    before = scanner.searches
    redactor.headers((("user-agent", "curl/8"),))
    assert scanner.searches == before
    many = tuple((f"x-{number}", "a") for number in range(1_000))
    assert redactor.headers(many) == many
    assert len(redactor._kept) <= 128
