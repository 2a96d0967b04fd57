"""Filler that reads like the real thing: paragraphs of a manual, listings of source files, small talk of a model."""

from __future__ import annotations

from random import Random

from proxy.demo.chance import seeded

_SUBJECTS = (
    "the rain gauge", "the wind vane", "the gateway", "the battery", "the data logger", "the alarm horn",
    "the solar panel", "the radio link", "the humidity sensor", "the clock",
)  # fmt: skip
_ACTS = (
    "Check {a} before you touch {b}.",
    "When {a} reports nothing for ten minutes, look at {b} first.",
    "{A} and {b} share one supply; switch it off before opening the case.",
    "Readings of {a} are stored every 15 s and kept for 400 days.",
    "If {a} shows a value outside its limits (−40 °C … +60 °C), the station marks it and goes on.",
    "Replace {a} every three years, or after lightning within 2 km.",
    "The setting `interval` of {a} is given in seconds; values below 5 are refused.",
    "An alarm of {a} is repeated every hour until somebody acknowledges it.",
    "Clean {a} with water only: alcohol damages the coating of {b}.",
    "After a power cut {a} starts by itself; {b} has to be switched on by hand.",
)
_HEADINGS = ("Installation", "Settings", "Alarms", "Maintenance", "Faults and remedies", "Spare parts", "Limits")
_VERBS = ("load", "store", "find", "drop", "renew", "check", "count", "merge", "split", "send")
_NOUNS = ("session", "record", "page", "feed", "row", "total", "member", "parcel", "alarm", "route")
_EXAMPLES = (
    "“Where do we {verb} the {noun}?” — use {tool} once, on the narrowest folder that can hold the answer.",
    "“Why is the {noun} of every {other} wrong since Monday?” — {tool} comes after the history, not before it.",
    "Do not use {tool} to {verb} a {noun} that is already in this conversation; refer to it instead.",
    "Two questions, one about the {noun}, one about the {other}: call {tool} twice in the same answer.",
    "When {tool} returns nothing, widen the search by one step and say that the first one found no {noun}.",
)
_REPLIES = (
    "Short answer: yes. The longer one depends on how often the value changes — if it is read more than once per "
    "change, keep it; otherwise compute it each time.",
    "There are two ways. The first is simpler and enough for a few thousand entries; the second needs an index but "
    "stays fast at any size. I would begin with the first and measure.",
    "Hello! 👋 Tell me what you are working on and I will have a look.",
    "The difference is *when* the work happens: at the call, or at the first use. Both give the same result.",
)
_THOUGHTS = (
    "The question is short, but the answer depends on a detail that was not stated. I should name the assumption "
    "instead of asking back, because the most common case is clear.",
    "Let me compare the alternatives by what happens when something fails, not only when everything works. The "
    "first leaves a half-written file behind; the second does not.",
)


def reply(random: Random) -> str:
    """A general answer, a few dozen tokens."""
    return random.choice(_REPLIES)


def thought(random: Random) -> str:
    """A general line of thinking, a few dozen tokens."""
    return random.choice(_THOUGHTS)


def manual(random: Random, sections: int) -> str:
    """Markdown of `sections` sections of about 700 tokens each."""
    return "\n\n".join(_section(random, number) for number in range(1, sections + 1))


def listing(path: str, lines: int) -> str:
    """A source file of `lines` numbered lines, always the same for one path."""
    random = seeded("listing", path)
    body = [f'"""{path.rsplit("/", 1)[-1]}: what its name says."""', "", "from __future__ import annotations", ""]
    while len(body) < lines:
        body += _function(random)
    return "\n".join(f"{number:>6}\t{line}" for number, line in enumerate(body[:lines], 1))


def examples(tool: str, count: int) -> str:
    """Markdown that tells when to use a tool, always the same for one name."""
    random = seeded("examples", tool)
    return "\n".join(f"- {_example(random, tool)}" for _ in range(count))


def _example(random: Random, tool: str) -> str:
    verb, noun, other = random.choice(_VERBS), random.choice(_NOUNS), random.choice(_NOUNS)
    return random.choice(_EXAMPLES).format(tool=tool, verb=verb, noun=noun, other=other)


def _section(random: Random, number: int) -> str:
    heading = f"## {number}. {_HEADINGS[(number - 1) % len(_HEADINGS)]}"
    return "\n\n".join([heading, *(_paragraph(random) for _ in range(7)), _table(random)])


def _paragraph(random: Random) -> str:
    return " ".join(_sentence(random) for _ in range(5))


def _sentence(random: Random) -> str:
    first, second = random.sample(_SUBJECTS, 2)
    return random.choice(_ACTS).format(a=first, b=second, A=first.capitalize())


def _table(random: Random) -> str:
    rows = (f"| {subject} | {random.randint(5, 900)} s | {random.randint(1, 36)} months |" for subject in _SUBJECTS[:6])
    return "\n".join(("| part | interval | service |", "| --- | --- | --- |", *rows))


def _function(random: Random) -> list[str]:
    verb, noun, other = random.choice(_VERBS), random.choice(_NOUNS), random.choice(_NOUNS)
    limit = random.choice((10, 50, 200, 1_000))
    return [
        "",
        f"def {verb}_{noun}(store: Store, key: str, limit: int = {limit}) -> {noun.capitalize()} | None:",
        f'    """{verb.capitalize()} the {noun} called *key*; `None` when there is none."""',
        f"    {other} = store.get(key)",
        f"    if {other} is None or len({other}.parts) > limit:",
        "        return None",
        f"    for position, part in enumerate({other}.parts):",
        f"        if part.kind == {noun!r} and position < limit:",
        f"            return {noun.capitalize()}(key, part.value)",
        f"    raise {noun.capitalize()}Missing(key)",
        "",
    ]
