"""Prompt tokens and what the cache makes of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.demo.chance import seeded
from proxy.demo.shapes import Block
from proxy.demo.weight import PromptTokens, text_tokens, weigh

LONG = "word " * 1_600
SHORT_LIVED = {"type": "ephemeral"}
LONG_LIVED = {"type": "ephemeral", "ttl": "1h"}


def text(content: str, control: object = None) -> Block:
    block = {"type": "text", "text": content}
    return block | {"cache_control": control} if control else block


def body(turns: int, *, cached: bool = True) -> Block:
    """A conversation with `turns` answers behind it."""
    messages: list[Block] = [{"role": "user", "content": [text("first " * 400)]}]
    for number in range(turns):
        messages.append({"role": "assistant", "content": [text(f"answer {number} " * 90)]})
        messages.append({"role": "user", "content": [text(f"question {number} " * 90)]})
    if cached:
        messages[-1]["content"][-1]["cache_control"] = SHORT_LIVED
    return {"system": [text(LONG, LONG_LIVED if cached else None)], "messages": messages}


def splits(asked: Block) -> set[PromptTokens]:
    return {weigh(asked, seeded(n)) for n in range(40)}


def test_without_breakpoints_everything_is_plain_input() -> None:
    (only,) = splits(body(2, cached=False))
    assert only == PromptTokens(uncached=only.total)


def test_short_prompts_are_not_cached() -> None:
    (only,) = splits({"system": [text("brief", SHORT_LIVED)], "messages": [{"role": "user", "content": "hello"}]})
    assert only.uncached == only.total


def test_first_turn_writes_both_lifetimes_or_finds_the_system_prompt() -> None:
    cold, warm = sorted(splits(body(0)), key=lambda split: split.cache_read)
    assert cold.cache_read == 0
    assert cold.cache_write_1h == warm.cache_read > 2_000
    assert cold.cache_write_5m == warm.cache_write_5m > 500
    assert cold.total == warm.total


def test_later_turns_read_what_the_turn_before_has_written() -> None:
    previous = weigh(body(2), seeded("any"))
    current = max(splits(body(3)), key=lambda split: split.cache_read)
    assert abs(current.cache_read - previous.total) < 20
    assert current.cache_write_1h == 0
    assert 0 < current.cache_write_5m < previous.total


def test_sometimes_the_cache_has_expired() -> None:
    assert min(split.cache_read for split in splits(body(3))) == 0


def test_breakpoint_for_the_whole_request_counts_as_one_at_its_end() -> None:
    (only,) = splits({"cache_control": SHORT_LIVED, "messages": [{"role": "user", "content": LONG}]})
    assert only.cache_write_5m > 1_900


def test_images_weigh_the_same_whatever_their_size() -> None:
    def pictured(data: str) -> int:
        return weigh({"messages": [{"role": "user", "content": [{"type": "image", "data": data}]}]}, seeded(0)).total

    assert pictured("a") == pictured("a" * 90_000)


def test_text_weighs_at_least_one_token() -> None:
    assert (text_tokens(""), text_tokens("x" * 40)) == (1, 10)


blocks = st.fixed_dictionaries(
    {"type": st.just("text"), "text": st.text(max_size=30).map(lambda part: part * 300)},
    optional={"cache_control": st.sampled_from([SHORT_LIVED, LONG_LIVED, None, "odd"])},
)
roles = st.sampled_from(["user", "assistant"])
messages = st.lists(st.fixed_dictionaries({"role": roles, "content": st.lists(blocks, max_size=3)}), max_size=4)


@given(st.fixed_dictionaries({"system": st.lists(blocks, max_size=3), "messages": messages}), st.integers())
def test_parts_are_never_negative_and_the_total_hardly_depends_on_chance(asked: Block, seed: int) -> None:
    one, other = weigh(asked, seeded(seed)), weigh(asked, seeded("other", seed))
    assert min(one.uncached, one.cache_read, one.cache_write_5m, one.cache_write_1h) >= 0
    assert one.total == other.total
