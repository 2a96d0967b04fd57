"""What is known of a body from the one before it is what reading all of it would tell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.jsontext import Json
from proxy.reading.problems import Problems
from proxy.reading.prompt import prompt_facts
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner
from proxy.reading.turns import MAX_REMEMBERED, MAX_TURNS, MIN_BODY, Turn, Turns

SECRET, WORD = "caller-secret/0123456789", "pa55word"[:7]
GITHUB = "ghp_" + "a1B2" * 9
KEY = "-----BEGIN RSA PRIVATE KEY-----" + "Zm9v" * 4_000 + "-----END"
JWT = "eyJhbGciOiJI." + "x" * 12_000 + "." + "y" * 40
RULE = "emp-1234567890"
REDACTOR = Redactor([SECRET, WORD], b"salt", Scanner({"employee": r"emp-(?!9)\d{10}(?=[^\d])"}))
SECRETS = (
    SECRET,
    WORD,
    GITHUB,
    KEY,
    JWT,
    RULE,
    "https://ada:swordfish@example.org/",
    '\\"api_key\\": \\"0123456789\\"',
)
"""What is looked for: the caller's own, known kinds short and long, and what a rule of the operator matches."""


def edited(body: bytes, random: Random) -> bytes:
    """The body with a stretch of it replaced, by itself, by nothing, by filling or by a part of a secret."""
    start = random.randrange(len(body))
    end = min(len(body), start + random.choice((0, 0, 1, 40, 3_000)))
    secret = random.choice(SECRETS).encode()
    cut = random.randrange(len(secret))
    new = random.choice((b"", secret, secret[:cut], secret[cut:], b" " + secret + b" ", b"words and words " * 40, b'"'))
    return b"{" + body[1:start] + new + body[end:]


def bodies(seed: int) -> Iterator[bytes]:
    """Bodies that come one after another, each an edit of one before."""
    random = Random(seed)
    before = [b"{" + b'"text": "some words, https://example.org/ and key-words" ' * random.choice((80, 400, 1_500))]
    for _ in range(12):
        yield before[-1]
        before.append(edited(random.choice(before[-3:]), random))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_secrets_and_hashes_are_those_of_the_whole_body(seed: int) -> None:
    turns = Turns()
    for body in bodies(seed):
        turn = turns.next(body)
        assert REDACTOR.body(body, turn=turn) == REDACTOR.body(body)
        if turn is not None:
            assert turn.sha256().hexdigest() == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(("secret", "place"), [*((each, place) for each in SECRETS for place in (1, 5)), (JWT, 11_000)])
def test_a_secret_that_two_turns_make_together_is_found(secret: str, place: int) -> None:
    """The first turn ends within it, the second goes on."""
    whole = b'{"text": "' + b"words " * 2_000 + secret.encode() + b' "' + b"end" * 2_000
    cut = whole.index(secret.encode()) + place
    turns = Turns()
    before = turns.next(whole[:cut] + b"}" * 3_000)
    assert before is not None
    assert not REDACTOR.body(before.body, turn=before).found
    turn = turns.next(whole)
    assert turn is not None
    assert turn.before is before
    assert REDACTOR.body(whole, turn=turn) == REDACTOR.body(whole)
    assert REDACTOR.body(whole).found


MESSAGES = st.lists(
    st.one_of(
        st.builds(lambda text: {"role": "user", "content": text}, st.text(max_size=30)),
        st.just({"role": "user", "content": [{"type": "image", "source": {}}, {"type": "text", "text": "}],[{"}]}),
        st.just({"type": "function_call_output", "output": [{"type": "input_image"}]}),
        st.just({"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}]}]}),
        st.sampled_from(({"content": 1}, 1, None, {"content": [1]})),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, min_size=2, max_size=4), st.sampled_from(("messages", "input")), st.booleans(), st.booleans())
def test_prompts_that_go_on_have_the_facts_of_the_whole(
    added: list[list[Json]], name: str, first: bool, odd: bool
) -> None:
    turns, messages = Turns(), [{"role": "user", "content": "begin " * 200}]
    for number, more in enumerate(added):
        messages += more  # type: ignore[arg-type]
        rest: dict[str, object] = {"model": "m", "tools": [{"name": "t" * 4_000}], "max_tokens": number if odd else 7}
        body = json.dumps({name: messages, **rest} if first else {**rest, name: messages}).encode()
        turn = turns.next(body)
        assert turn is not None
        whole, went_on = Problems(), Problems()
        assert prompt_facts(body, went_on, counted=True, turn=turn) == prompt_facts(body, whole, counted=True)
        assert went_on.summary() == whole.summary()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_prompts_that_are_changed_anywhere_have_the_facts_of_the_whole(seed: int) -> None:
    random, turns = Random(seed), Turns()
    told = [{"role": "user", "content": [{"type": "text", "text": f"word {number} " * 9}]} for number in range(40)]
    body = json.dumps({"model": "m", "messages": told, "metadata": {"user_id": "u"}, "tools": [{}]}).encode()
    for _ in range(8):
        turn = turns.next(body)
        assert turn is not None
        assert _facts(body, turn) == _facts(body, None)
        start = random.randrange(1, len(body) - 1)
        new = random.choice((b"", b"}", b"]", b',{"content":"x"}', b'"messages":[{}],', b"word", b'"', b"\xff"))
        body = body[:start] + new + body[start + random.choice((0, 1, 30)) :]


def _facts(body: bytes, turn: Turn | None) -> object:
    problems = Problems()
    try:
        return prompt_facts(body, problems, counted=True, turn=turn), problems.summary()
    except ValueError as error:
        return str(error)


def test_a_turn_that_goes_on_reads_only_what_is_new() -> None:
    def body(count: int) -> bytes:
        return json.dumps({"messages": [{"content": f"said {number} " * 100} for number in range(count)]}).encode()

    turns = Turns()
    made = [turn for count in (10, 11, 12) if (turn := turns.next(body(count))) is not None]
    for before, turn in pairwise(made):
        turn.before = before
    for turn in made:
        prompt_facts(turn.body, Problems(), counted=True, turn=turn)
    _, before, last = made
    assert before.conversation is not None
    assert last.conversation is not None
    assert last.conversation.ends[:11] == before.conversation.ends


def test_the_body_with_the_longest_common_beginning_is_taken() -> None:
    turns = Turns()
    for letters in (b"afgh", b"aabc", b"aijk"):
        turns.next(b"{" + b"".join(bytes([letter]) * MIN_BODY for letter in letters))
    turn = turns.next(b"{" + b"a" * MIN_BODY * 2 + b"z" * MIN_BODY)
    assert turn is not None
    assert turn.before is not None
    assert turn.start == 2 * MIN_BODY + 1
    assert turn.before.body.count(b"b") == MIN_BODY


def test_what_is_remembered_is_bounded() -> None:
    turns = Turns()
    random = Random(1)
    kept = [turns.next(b"{" + random.randbytes(MAX_REMEMBERED // 10)) for _ in range(20)]
    assert sum(len(turn.body) for turn in turns._kept) <= MAX_REMEMBERED
    assert turns._kept[0] is kept[-1]
    for _ in range(2 * MAX_TURNS):
        turns.next(b"{" + random.randbytes(MIN_BODY))
    assert len(turns._kept) == MAX_TURNS


def test_turns_do_not_keep_those_long_before() -> None:
    turns = Turns()
    made = [turns.next(b"{" + b"said " * (1_000 + number)) for number in range(4)]
    assert [turn is not None and turn.before is not None for turn in made] == [False, False, False, True]


@pytest.mark.parametrize("body", [b"{" + b"x" * (MIN_BODY - 2), b"[" + b"x" * MIN_BODY, b""])
def test_small_and_other_bodies_are_read_as_a_whole(body: bytes) -> None:
    assert Turns().next(body) is None
