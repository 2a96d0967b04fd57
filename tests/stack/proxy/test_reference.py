"""The reference dashboard, unmodified, shows what the ledger has."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from tests.stack.grafana.evaluating import Evaluation
from tests.stack.proxy.conftest import WINDOW_AGE_S, Installation
from tests.stack.proxy.expected import COUNTERS

_LENGTHS = {"window_age_5h": 5 * 3_600, "window_age_7d": 7 * 86_400}


@pytest.fixture
def shown(played: Installation) -> Evaluation:
    """The dashboard over what was played."""
    return played.shown("anthropic-proxy")


def test_every_query_is_found_and_has_data(shown: Evaluation) -> None:
    assert len(shown.answers) == 30
    assert [str(answer.query) for answer in shown.answers if not answer.has_data] == []


def test_window_variables_are_the_age_of_the_main_accounts_windows(shown: Evaluation, played: Installation) -> None:
    assert set(shown.values) == set(_LENGTHS)
    known = {row["resets_at"] for row in played.ledger.windows}
    for name, length in _LENGTHS.items():
        age = int(shown.value(name))
        assert WINDOW_AGE_S <= age <= length
        assert math.ceil(played.at) + length - age in known


def test_the_annotation_marks_every_429(shown: Evaluation, played: Installation) -> None:
    [marks] = shown.annotations.values()
    limited = [row["error_message"] for row in played.ledger.exchanges if row["status"] == 429]
    assert Counter(line.labels["error_message"] for line in marks.lines) == Counter(limited)
    assert limited


def test_totals_are_the_ledgers(shown: Evaluation, played: Installation) -> None:
    assert _number(shown, "Total Requests", "A") == len(played.ledger.exchanges)
    cooldowns = COUNTERS["proxy_credential_cooldowns_total"](played.ledger)
    assert _number(shown, "Credential Cooldowns", "A") == sum(number for _, number in cooldowns)


@pytest.mark.parametrize("ref_id", ["A", "B"])
@pytest.mark.parametrize(("panel", "column"), [("In", "input_tokens"), ("Out", "output_tokens")])
def test_window_panels_show_all_tokens_since_the_window_began(
    shown: Evaluation, played: Installation, panel: str, column: str, ref_id: str
) -> None:
    total = sum(row[column] or 0 for row in played.ledger.exchanges)
    assert _number(shown, f"Window Tokens {panel}", ref_id) == total > 0


def _number(shown: Evaluation, panel: str, ref_id: str) -> float:
    [series] = shown.answer(panel, ref_id).series
    return series.last
