"""An upgrade that needs the web: searches in a request of their own, citations in their answers."""

from __future__ import annotations

from proxy.demo.stories.story import Call, Chapter, Page, Search, Step, Story

_FOLDER = "/home/dev/timetable"

_GUIDE = Search(
    "datekit 3.0 migration guide breaking changes",
    (
        Page(
            "Migrating to datekit 3 — datekit documentation",
            "https://datekit.example/docs/migrating-to-3",
            "2 months ago",
            "In 3.0 every constructor requires an explicit time zone; naive() replaces the former default.",
        ),
        Page(
            "datekit 3.0 release notes",
            "https://datekit.example/releases/3.0",
            "3 months ago",
            "parse() no longer guesses day-first order. Pass order='dmy' where the old guess was relied upon.",
        ),
        Page(
            "Lessons from moving a timetable service to datekit 3",
            "https://blog.example/datekit-3-lessons",
            "5 weeks ago",
            "The codemod handles constructors; parsing needs human eyes.",
        ),
    ),
    "Version 3 changes two things that matter for an existing code base.",
)

_UPGRADE = Chapter(
    prompt="Upgrade datekit from 2.8 to 3.0. Check what breaks first, then do it.",
    steps=(
        Step(
            "I must not rely on memory for a library's breaking changes. Search for the migration guide and see how "
            "the library is used here.",
            "I'll look up the migration guide and our own uses at the same time.",
            (
                Call("WebSearch", {"query": _GUIDE.query}),
                Call(
                    "Grep",
                    {"pattern": r"datekit\.(parse|at|today)", "output_mode": "content", "-n": True},
                    "\n".join(
                        f"timetable/{name}.py:{line}:    moment = datekit.{call}"
                        for name, line, call in (
                            ("importer", 44, "parse(row['departure'])"),
                            ("importer", 45, "parse(row['arrival'])"),
                            ("board", 19, "today()"),
                            ("board", 73, "at(2026, 1, 1)"),
                            ("holidays", 12, "at(year, 12, 25)"),
                        )
                    ),
                ),
            ),
        ),
        Step(
            "parse() in the importer relied on the day-first guess: feeds are German, 03.04. means 3 April. That is "
            "the dangerous one, because it would not fail but silently swap days and months.",
            "The importer is the dangerous place: its feeds write `03.04.` for 3 April, version 3 would read 4 March.",
            (
                Call("Read", {"file_path": f"{_FOLDER}/timetable/importer.py"}, listing_lines=120),
                Call("Read", {"file_path": f"{_FOLDER}/timetable/board.py"}, listing_lines=95),
            ),
        ),
        Step(
            "",
            "",
            (
                Call(
                    "Edit",
                    {
                        "file_path": f"{_FOLDER}/timetable/importer.py",
                        "old_string": "datekit.parse(row['departure'])",
                        "new_string": "datekit.parse(row['departure'], order='dmy', zone=feed.zone)",
                    },
                    "The file /home/dev/timetable/timetable/importer.py has been updated.",
                ),
                Call(
                    "Edit",
                    {
                        "file_path": f"{_FOLDER}/timetable/importer.py",
                        "old_string": "datekit.parse(row['arrival'])",
                        "new_string": "datekit.parse(row['arrival'], order='dmy', zone=feed.zone)",
                    },
                    "The file /home/dev/timetable/timetable/importer.py has been updated.",
                ),
                Call(
                    "Bash",
                    {"command": "sed -i 's/datekit==2.8.1/datekit==3.0.2/' requirements.txt && pytest -q"},
                    "........................................................\n56 passed in 4.02s",
                ),
            ),
        ),
    ),
    answer="datekit is at **3.0.2** and all 56 tests pass.\n\n"
    "What mattered here:\n\n1. `parse()` no longer guesses day-first order. Both calls in the importer now say "
    "`order='dmy'` — without it, `03.04.` would have become 4 March *without any error*.\n"
    "2. Constructors need a time zone. The importer takes it from the feed (`Europe/Berlin`, and 日本 feeds keep "
    "`Asia/Tokyo`).\n\n`holidays.py` compares dates only, so it needed nothing.",
)

DATES = Story("Upgrade datekit to 3.0", _FOLDER, (_UPGRADE,), searches=(_GUIDE,))
