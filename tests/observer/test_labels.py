"""Label values are closed sets, whatever clients and upstreams make up."""

from __future__ import annotations

from dataclasses import replace

from proxy.exchange import Outcome
from proxy.names import metrics
from proxy.observer.labels import Labels, status_code, stream
from proxy.observer.table import Table
from tests.observer.samples import exchange, refused


def labels(table: Table | None = None) -> Labels:
    return Labels(table or Table(), lambda name: name.startswith("claude"))


def test_a_model_counts_under_its_name_once_it_has_answered() -> None:
    ours = labels()
    assert ours.news(refused()) == []
    assert ours.model("claude-sonnet-4-6") == "other"
    ours.learn(ours.news(exchange()))
    assert ours.model("claude-sonnet-4-6") == "claude-sonnet-4-6"
    assert ours.news(replace(exchange(), model="made-up")) == []
    assert ours.model("made-up") == "other"
    assert ours.model(None) is None


def test_there_are_at_most_a_hundred_models() -> None:
    ours = labels()
    for number in range(300):
        ours.learn(ours.news(replace(exchange(), model=f"claude-{number}", response_model=None)))
    assert sum(ours.model(f"claude-{number}") != "other" for number in range(300)) == 100


def test_what_is_in_the_table_stays_admitted_after_a_restart() -> None:
    table = Table()
    draft = table.draft(1)
    draft.add(metrics.UNPRICED, 1, "claude-old")
    table.commit(draft)
    assert labels(table).model("claude-old") == "claude-old"


def test_only_keys_of_successes_count_and_at_most_fifty() -> None:
    ours = labels()
    assert ours.key(replace(refused(), key="caller-invented")) is None
    assert ours.key(replace(exchange(), key=None)) is None
    admitted = [ours.key(replace(exchange(), key=f"caller-{number}")) for number in range(80)]
    assert admitted == [*(f"caller-{number}" for number in range(50)), *[None] * 30]
    assert ours.key(replace(exchange(), key="caller-0", outcome=Outcome.TRUNCATED)) == "caller-0"


def test_everything_configured_is_bounded_too() -> None:
    ours = labels()
    for bounded in (ours.endpoint, ours.error_type, ours.provider, ours.address):
        assert len({bounded(f"value-{number}") for number in range(200)}) == 51


def test_the_credential_of_the_caller_is_called_so() -> None:
    assert labels().credential(None) == "caller"
    assert labels().credential("team-a") == "team-a"


def test_a_status_is_three_digits_none_or_other() -> None:
    assert [status_code(each) for each in (None, 200, 529, 99, 600, 99_999)] == [
        "none",
        "200",
        "529",
        "other",
        "other",
        "other",
    ]


def test_a_stream_is_true_false_or_unknown() -> None:
    assert [stream(each) for each in (True, False, None)] == ["true", "false", None]
