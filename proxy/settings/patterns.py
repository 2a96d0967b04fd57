"""Whether a pattern of the operator is safe to try at every byte of a body: how many steps it can take is bounded.

Python's matcher goes back and tries again, so a careless pattern takes years; here the worst case is added up from the
pattern's structure, and a pattern beyond the limit is refused when the settings are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST_STEPS = 2_000
"""Of the matcher, from one place of the text."""
LONGEST = 1_024
SHORTEST = 4
"""Bytes that a pattern matches: less turns up by chance."""


_Parts = Iterable[tuple[int, Any]]
"""What Python's own parser makes of a pattern: kinds of parts with their arguments."""


class _Unsafe(Exception):
    """What is wrong with a pattern."""


def mistake(pattern: str) -> str | None:
    """Why a pattern is not taken, to end a sentence; None for a good one."""
    if not pattern.isascii():
        return "it has characters beyond ASCII; write their bytes, such as \\xc3\\xa9"
    try:
        re.compile(pattern.encode())
        tree = parser.parse(pattern.encode())
        shortest, longest = tree.getwidth()
        if longest > LONGEST and longest < parser.MAXREPEAT:
            return f"it matches more than {LONGEST} characters"
        _steps(tree, 1)
    except (re.error, RecursionError, OverflowError) as error:
        return f"it is no regular expression ({error})"
    except _Unsafe as error:
        return str(error)
    if shortest < SHORTEST:
        return f"it matches less than {SHORTEST} characters, which turn up by chance"
    return None


def _steps(items: _Parts, after: int) -> int:
    """Most steps to match these parts and then what takes `after` more, with all going back in between."""
    for kind, argument in reversed(list(items)):
        after = _step(kind, argument, after)
        if after > MOST_STEPS:
            raise _Unsafe("it can match in too many ways; use fewer or narrower repeats such as {20,40}")
    return after


def _step(kind: int, argument: Any, after: int) -> int:
    match kind:
        case op.LITERAL | op.NOT_LITERAL | op.IN | op.ANY:
            return 1 + after
        case op.MAX_REPEAT | op.MIN_REPEAT:
            return _repeated(argument[2], argument[1], after) + after
        case op.POSSESSIVE_REPEAT:
            return _repeated(argument[2], argument[1], 1) + after
        case op.SUBPATTERN:
            return _steps(argument[3], after)
        case op.BRANCH:
            return 1 + sum(_steps(part, after) for part in argument[1])
        case op.ATOMIC_GROUP:
            return _steps(argument, 1) + after
        case op.ASSERT | op.ASSERT_NOT:
            return _steps(argument[1], 1) + after
        case op.AT if argument in (op.AT_BOUNDARY, op.AT_NON_BOUNDARY):
            return 1 + after
        case op.AT:
            raise _Unsafe("^, $, \\A and \\Z have no place in it; a rule matches anywhere")
    raise _Unsafe("it refers back to an earlier group, which cannot be bounded")


def _repeated(part: _Parts, most: int, after: int) -> int:
    """Steps of a repeat that may stop after any number of times."""
    if most is op.MAXREPEAT:
        raise _Unsafe("*, + and {n,} have no upper bound; write one, such as {1,200}")
    steps = after
    for _ in range(most):
        steps = _steps(part, steps) + after
    return steps
