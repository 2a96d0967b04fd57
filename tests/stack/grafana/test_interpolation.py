"""Values stand in queries as Grafana would write them."""

from __future__ import annotations

import pytest

from tests.stack.grafana.interpolation import ALL, Value, interpolated, references, value_of
from tests.stack.grafana.shape import Selection, Variable

_MODELS = ("claude-3.5", "claude-4")


def _variable(*selected: str, all_value: str | None = None, multi: bool = True) -> Variable:
    current = Selection(selected if multi else selected[0])
    return Variable("model", "query", current=current, multi=multi, include_all=multi, all_value=all_value)


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("prometheus", r"(claude-3\\.5|claude-4)"),
        ("loki", r"claude-3\\.5|claude-4"),
        ("tempo", "{claude-3.5,claude-4}"),
    ],
)
def test_several_values_are_alternatives_of_a_quoted_regular_expression(source: str, written: str) -> None:
    value = value_of(_variable(*_MODELS), _MODELS)
    assert interpolated('"$model"', {"model": value}, source) == f'"{written}"'


@pytest.mark.parametrize("source", ["prometheus", "loki"])
def test_one_value_stands_alone(source: str) -> None:
    assert interpolated("$model", {"model": value_of(_variable("claude-3.5"), _MODELS)}, source) == r"claude-3\\.5"


def test_a_variable_with_one_value_is_no_regular_expression() -> None:
    value = value_of(_variable("a.b", multi=False), ("a.b",))
    assert interpolated("$model", {"model": value}, "prometheus") == "a.b"
    assert interpolated("$model", {"model": value}, "loki") == "a.b"


def test_all_is_its_own_value_unchanged_or_all_there_is() -> None:
    assert interpolated("$model", {"model": value_of(_variable(ALL, all_value=".*"), _MODELS)}, "loki") == ".*"
    everything = value_of(_variable(ALL), _MODELS)
    assert interpolated("$model", {"model": everything}, "prometheus") == r"(claude-3\\.5|claude-4)"


def test_all_of_nothing_matches_nothing_but_the_absent() -> None:
    nothing = value_of(_variable(ALL), ())
    assert interpolated("$model", {"model": nothing}, "prometheus") == "()"
    assert interpolated("$model", {"model": nothing}, "loki") == ""


def test_a_choice_stays_although_it_is_not_offered() -> None:
    chosen = value_of(_variable(ALL, all_value=".*"), _MODELS, ("gone",))
    assert interpolated("$model", {"model": chosen}, "prometheus") == "gone"


def test_a_first_selection_that_is_not_offered_gives_way() -> None:
    assert value_of(_variable("gone"), _MODELS).selected == ("claude-3.5",)
    assert value_of(_variable("gone", multi=False), _MODELS).selected == "claude-3.5"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("[${age}s]", "[600s]"),
        ("[[age]]", "600"),
        ("${age:raw}", "600"),
        ("${age:doublequote}", '"600"'),
        ("${age:regex}", "600"),
        ("$ageless", None),
    ],
)
def test_every_way_to_name_a_variable_is_understood(text: str, written: str | None) -> None:
    values = {"age": Value("600")}
    if written is None:
        with pytest.raises(LookupError, match="ageless"):
            interpolated(text, values, "prometheus")
    else:
        assert interpolated(text, values, "prometheus") == written


def test_references_are_found_in_every_spelling() -> None:
    assert list(references("$a ${b} ${c:csv} ${d.e.f:raw} [[g]]")) == [
        *(("a", None), ("b", None), ("c", None), ("d", "e.f"), ("g", None))
    ]
