"""A test that fails once in twenty runs: much thinking, few words."""

from __future__ import annotations

from proxy.demo.stories.story import Call, Chapter, Step, Story

_FOLDER = "/home/dev/parcelbot"

_EXPLAIN = Chapter(
    prompt="test_parcel_is_announced_once fails about once in twenty runs. Why?",
    steps=(
        Step(
            "One in twenty smells of ordering or time. I want to see the failure itself rather than guess: run it in a "
            "loop until it fails, with the random seed printed, and read the test meanwhile.",
            "I'll provoke the failure and read the test.",
            (
                Call(
                    "Bash",
                    {
                        "command": "for i in $(seq 60); do pytest -q -p no:randomly -x "
                        "tests/test_announce.py::test_parcel_is_announced_once || break; done",
                        "timeout": 120000,
                    },
                    "1 passed in 0.11s\n" * 23 + "F\n>       assert announced == ['P-1']\n"
                    "E       AssertionError: assert ['P-1', 'P-1'] == ['P-1']\n"
                    "tests/test_announce.py:48: AssertionError\n1 failed in 0.19s",
                ),
                Call("Read", {"file_path": f"{_FOLDER}/tests/test_announce.py"}, listing_lines=75),
                Call("Read", {"file_path": f"{_FOLDER}/parcelbot/announce.py"}, listing_lines=130),
            ),
        ),
        Step(
            "Announced twice, so the guard against duplicates was passed twice. In announce.py the check and the mark "
            "are separated by an await: two tasks can both check before either marks. The test starts two tasks, and "
            "whether they interleave depends on how long the fake network sleeps, which is random between 0 and 10 ms. "
            "With two draws the chance that both are within half a millisecond is about 1 in 20. That matches.",
            "Announced twice. I want to see whether the mark was ever set before the await.",
            (
                Call(
                    "Bash",
                    {"command": "git log --oneline -5 parcelbot && git blame -L 31,44 parcelbot/announce.py"},
                    "4c1d0aa Announce over the message bus\n99b20f1 Mark parcels after the announcement\n"
                    "1f0e5b2 First announcer\n99b20f14 (2026-08-02 31) async def announce(parcel):\n"
                    "99b20f14 (2026-08-02 32)     if parcel.number in announced_numbers:\n"
                    "99b20f14 (2026-08-02 33)         return\n"
                    "4c1d0aa1 (2026-09-11 34)     await bus.publish(Announcement(parcel))\n"
                    "99b20f14 (2026-08-02 35)     announced_numbers.add(parcel.number)",
                ),
            ),
        ),
    ),
    thought="The explanation must state the mechanism, why one in twenty, and that the fault is in the code and not in "
    "the test. A fix was not asked for, so I offer it and stop.",
    answer="The test is right; the code has a race.\n\n```python\nif parcel.number in announced_numbers:   # line 32\n"
    "    return\nawait bus.publish(Announcement(parcel))  # line 34: another task may run here\n"
    "announced_numbers.add(parcel.number)     # line 35\n```\n\n"
    "Between the check and the mark there is an `await`. Two tasks for the same parcel can both pass line 32 before "
    "either reaches line 35. Since commit `4c1d0aa` the publish really waits; before that it returned at once and "
    "the gap could not be hit.\n\nWhy once in twenty: the fake bus sleeps a random 0–10 ms, and both tasks must draw "
    "within about 0.5 ms of each other.\n\nMoving the `add` before the `await` (and removing it again if the publish "
    "raises) repairs it. Shall I?",
)
_FIX = Chapter(
    prompt="Yes, please.",
    steps=(
        Step(
            "",
            "",
            (
                Call(
                    "Edit",
                    {
                        "file_path": f"{_FOLDER}/parcelbot/announce.py",
                        "old_string": "    await bus.publish(Announcement(parcel))\n"
                        "    announced_numbers.add(parcel.number)",
                        "new_string": "    announced_numbers.add(parcel.number)\n    try:\n"
                        "        await bus.publish(Announcement(parcel))\n    except BusError:\n"
                        "        announced_numbers.discard(parcel.number)\n        raise",
                    },
                    "The file /home/dev/parcelbot/parcelbot/announce.py has been updated.",
                ),
                Call(
                    "Bash",
                    {"command": "for i in $(seq 400); do pytest -q tests/test_announce.py; done | sort | uniq -c"},
                    "    400 6 passed",
                ),
            ),
        ),
    ),
    answer="Done: 400 runs, no failure. If publishing raises, the mark is taken back, so a retry still announces.",
)

FLAKY = Story("Explain flaky announce test", _FOLDER, (_EXPLAIN, _FIX))
