"""Looks into PromQL: which series an expression reads, and what it makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import promql_parser
from promql_parser import (
    AggModifierType,
    AggregateExpr,
    Call,
    Expr,
    Matcher,
    MatchOp,
    MatrixSelector,
    StringLiteral,
    VectorSelector,
)

_CHILDREN = ("lhs", "rhs", "expr", "param", "args", "vector_selector")
_WITHOUT_SAMPLES = ("__name__", "le")
Node = TypeVar("Node", bound=Expr)


def nodes(expression: str, kind: type[Node]) -> list[Node]:
    """All parts of a kind. Raises ValueError for what is no PromQL."""
    return [node for node in _walk(promql_parser.parse(expression)) if isinstance(node, kind)]


def selectors(expression: str) -> list[VectorSelector]:
    """All series that are read."""
    return nodes(expression, VectorSelector)


def functions(expression: str, *names: str) -> list[Call]:
    """All calls of these functions."""
    return [call for call in nodes(expression, Call) if call.func.name in names]


def matrix(call: Call) -> MatrixSelector:
    """The range of samples a function is given; TypeError for another argument."""
    [argument] = [one for one in call.args if not isinstance(one, StringLiteral)]
    if not isinstance(argument, MatrixSelector):
        raise TypeError(f"{call.prettify()} reads no samples")
    return argument


def grouping(node: AggregateExpr) -> tuple[str, ...]:
    """Labels that an aggregation keeps; ValueError where it says which it drops."""
    if node.modifier is None:
        return ()
    if node.modifier.type != AggModifierType.By:
        raise ValueError(f"{node.prettify()} says which labels it drops")
    return tuple(node.modifier.labels)


def matching(
    samples: Iterable[tuple[Mapping[str, str], float]], selector: VectorSelector
) -> Iterator[tuple[Mapping[str, str], float]]:
    """The samples whose labels a selector finds."""
    matchers = [one for one in selector.matchers.matchers if one.name not in _WITHOUT_SAMPLES]
    return ((labels, value) for labels, value in samples if all(_matches(one, labels) for one in matchers))


def _matches(matcher: Matcher, labels: Mapping[str, str]) -> bool:
    value = labels.get(matcher.name, "")
    if matcher.op in (MatchOp.Equal, MatchOp.NotEqual):
        return (value == matcher.value) is (matcher.op == MatchOp.Equal)
    return (re.fullmatch(matcher.value, value) is not None) is (matcher.op == MatchOp.Re)


def _walk(node: Expr) -> Iterator[Expr]:
    yield node
    for name in _CHILDREN:
        child = getattr(node, name, None)
        for one in child if isinstance(child, list) else [child]:
            if isinstance(one, Expr):
                yield from _walk(one)
