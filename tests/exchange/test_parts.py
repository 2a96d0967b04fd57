"""What usage adds up to."""

from __future__ import annotations

import pytest

from proxy.exchange import Usage


def test_prompt_tokens_include_cache_reads_and_writes() -> None:
    """P-10"""
    usage = Usage(input_tokens=4, output_tokens=95, cache_read_tokens=18_000, cache_creation_tokens=1_500)
    assert usage.input_tokens_total == 19_504


def test_what_is_not_known_has_no_sum() -> None:
    assert Usage().input_tokens_total is None
    assert not Usage().known
    assert Usage(output_tokens=0).known


def test_a_part_of_a_record_is_told_by_its_fields_and_has_no_others() -> None:
    assert {Usage(input_tokens=1), Usage(input_tokens=1)} == {Usage(input_tokens=1)}
    with pytest.raises(AttributeError):
        Usage().tokens = 1  # type: ignore[attr-defined]
