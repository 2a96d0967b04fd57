"""A new feature: a to-do list, new files, a test run."""

from __future__ import annotations

from proxy.demo.stories.story import Call, Chapter, Step, Story

_FOLDER = "/home/dev/clubhouse"

_TODO = "Todos have been modified successfully. Continue with the current tasks."
_EXPORT_SOURCE = '''"""Members as CSV, streamed row by row."""

import csv
import io
from collections.abc import Iterator

from clubhouse.members import Member

COLUMNS = ("number", "name", "joined", "paid_until")


def rows(members: Iterator[Member]) -> Iterator[str]:
    """One CSV line per member, after a line of column names."""
    yield _line(COLUMNS)
    for member in members:
        yield _line([getattr(member, column) for column in COLUMNS])


def _line(values) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_plain(value) for value in values])
    return buffer.getvalue()


def _plain(value) -> str:
    text = "" if value is None else str(value)
    return "'" + text if text[:1] in "=+-@" else text
'''


def _todo(*states: str) -> Call:
    tasks = ("Read the members page", "Write the export", "Add the route and a link", "Test it")
    todos = [{"content": task, "status": state} for task, state in zip(tasks, states, strict=True)]
    return Call("TodoWrite", {"todos": todos}, _TODO)


_ADD = Chapter(
    prompt="Add a CSV export to the members page. It has to cope with 200,000 members and must be safe to open in a "
    "spreadsheet.",
    steps=(
        Step(
            "Two requirements hide in one sentence: streaming (200,000 rows must not be held in memory) and formula "
            "injection (cells that start with =, +, - or @). I'll plan and read.",
            "I'll plan this and look at the page first.",
            (
                _todo("in_progress", "pending", "pending", "pending"),
                Call("Read", {"file_path": f"{_FOLDER}/clubhouse/members.py"}, listing_lines=180),
                Call("Read", {"file_path": f"{_FOLDER}/clubhouse/web/members_page.py"}, listing_lines=110),
            ),
        ),
        Step(
            "The query returns an iterator already, so rows can be streamed.",
            "The query already returns an iterator, so the export can stream.",
            (
                Call(
                    "Write",
                    {"file_path": f"{_FOLDER}/clubhouse/export.py", "content": _EXPORT_SOURCE},
                    "File created successfully at: /home/dev/clubhouse/clubhouse/export.py",
                ),
                _todo("completed", "completed", "in_progress", "pending"),
            ),
        ),
        Step(
            "",
            "",
            (
                Call(
                    "Edit",
                    {
                        "file_path": f"{_FOLDER}/clubhouse/web/members_page.py",
                        "old_string": 'routes.get("/members", members_page)',
                        "new_string": 'routes.get("/members", members_page)\nroutes.get("/members.csv", members_csv)',
                    },
                    "The file /home/dev/clubhouse/clubhouse/web/members_page.py has been updated.",
                ),
                Call(
                    "Bash",
                    {"command": "pytest tests/test_export.py -q && python -m tests.measure_export --members 200000"},
                    "....\n4 passed in 0.38s\nrows: 200001  bytes: 9,412,877  seconds: 1.9  peak memory: 31 MB",
                ),
                _todo("completed", "completed", "completed", "completed"),
            ),
        ),
    ),
    answer="The members page has a CSV export now, at `/members.csv`.\n\n"
    "- **Large clubs:** rows are streamed. 200,000 members make 9.4 MB in 1.9 s with 31 MB of memory at the peak.\n"
    "- **Spreadsheets:** cells that begin with `=`, `+`, `-` or `@` get a leading apostrophe, so nothing in a name "
    "can act as a formula.\n- Dates are ISO 8601, money is in euros (€) with a point.\n\nFour tests cover it.",
)
_SEMICOLON = Chapter(
    prompt="Our treasurer's spreadsheet wants semicolons. Make that an option.",
    steps=(
        Step(
            "",
            "A query parameter is the least surprising place.",
            (
                Call(
                    "Edit",
                    {
                        "file_path": f"{_FOLDER}/clubhouse/export.py",
                        "old_string": "def rows(members: Iterator[Member]) -> Iterator[str]:",
                        "new_string": 'def rows(members: Iterator[Member], delimiter: str = ",") -> Iterator[str]:',
                    },
                    "The file /home/dev/clubhouse/clubhouse/export.py has been updated.",
                ),
                Call("Bash", {"command": "pytest tests/test_export.py -q"}, ".....\n5 passed in 0.41s"),
            ),
        ),
    ),
    answer="`/members.csv?delimiter=semicolon` now separates by semicolons; without it nothing changes.",
)

EXPORT = Story("Add CSV export for members", _FOLDER, (_ADD, _SEMICOLON))
