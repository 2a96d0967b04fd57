"""A session with secrets in its history is searched only where it goes on, and nothing is missed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.reading.redaction.again import MOST_KEPT
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Found, Scanner
from proxy.reading.turns import Turns
from tests.reading.test_turns import SECRETS, edited

RULE = {"employee": r"emp-(?!9)\d{10}(?=[^\d])"}
ESCAPED = ["caller\\u002dsecret\\/0123456789", "%67hp_" + "a1B2" * 9, "\\u0065mp-1234567890"]


class Counting(Scanner):
    """A scanner that tells how much it has searched."""

    searched = 0

    def find(self, data: bytes, low: int = 0, high: int = 1 << 62) -> list[Found]:
        self.searched += min(high, len(data)) - low
        return super().find(data, low, high)


def redactor(scanner: Scanner) -> Redactor:
    return Redactor(SECRETS[:2], b"salt", scanner)


def bodies(seed: int) -> Iterator[bytes]:
    """Bodies full of secrets that come one after another, each an edit of one before."""
    random = Random(seed)
    parts = [*SECRETS, *ESCAPED, "words and words " * random.choice((4, 40, 900)), '"', "\\n\\u003c 50%"]
    text = " ".join(random.choice(parts) for _ in range(random.choice((4, 16))))
    before = [b'{"text": "' + text.encode() + b" filling" * 700]
    for _ in range(8):
        yield before[-1]
        before.append(edited(random.choice(before[-2:]), random))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_secrets_of_the_history_are_masked_as_in_the_whole_body(seed: int) -> None:
    """L5"""
    turns, made = Turns(), redactor(Scanner(RULE))
    for body in bodies(seed):
        assert made.body(body, turn=turns.next(body)) == made.body(body)


@pytest.mark.parametrize("secret", ["ghp_" + "a1B2" * 9, "\\u0067hp_" + "a1B2" * 9], ids=["plain", "escaped"])
def test_a_secret_of_the_first_turn_is_not_searched_for_in_every_turn(secret: str) -> None:
    """N-19"""
    scanner, turns = Counting(), Turns()
    made = redactor(scanner)
    body = b'{"text": "' + b"words " * 9_000 + secret.encode() + b'", "messages": ["' + b"and words " * 9_000 + b'"'
    for turn in range(10):
        body += b', "a further turn"'
        assert made.body(body + b"]}", turn=turns.next(body + b"]}")).found == {"github": 1}
        assert scanner.searched < 3 * len(body) if not turn else scanner.searched < 100_000
        scanner.searched = 0


def test_what_another_caller_searched_is_searched_again() -> None:
    turns, scanner = Turns(), Scanner()
    body = b'{"text": "the-secret-of-another ' + b"words " * 2_000 + b'"}'
    assert not Redactor(["something-else"], b"salt", scanner).body(body, turn=turns.next(body)).found
    assert Redactor(["the-secret-of-another"], b"salt", scanner).body(body, turn=turns.next(body)).found


def test_a_body_full_of_secrets_is_not_remembered() -> None:
    body = b'{"a": "' + b"ghp_" * 2 + (b" ghp_" + b"a1B2" * 9) * (MOST_KEPT + 1) + b'"}'
    turn = Turns().next(body)
    assert turn is not None
    redactor(Scanner()).body(body, turn=turn)
    assert turn.searched is None
