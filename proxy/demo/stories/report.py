"""A slow nightly report: two sub-agents at once, a query plan, an index."""

from __future__ import annotations

from proxy.demo.stories.story import Call, Chapter, Step, Story

_FOLDER = "/home/dev/ledgerline"

_CALLERS = Chapter(
    prompt="Find every caller of monthly_totals() in this repository. Report file, line, and whether it needs the "
    "rows or only the sums. Do not change anything.",
    steps=(
        Step(
            "",
            "",
            (
                Call(
                    "Grep",
                    {"pattern": r"monthly_totals\(", "output_mode": "content"},
                    "reports/nightly.py:88:    rows = monthly_totals(connection, month)\n"
                    "reports/summary.py:31:    sums = sum_by_account(monthly_totals(connection, month))\n"
                    "api/statements.py:112:        for row in monthly_totals(connection, month):\n"
                    "tests/test_totals.py:19:    rows = monthly_totals(connection, date(2026, 3, 1))",
                ),
            ),
        ),
        Step(
            "",
            "",
            (
                Call("Read", {"file_path": f"{_FOLDER}/reports/nightly.py"}, listing_lines=160),
                Call("Read", {"file_path": f"{_FOLDER}/reports/summary.py"}, listing_lines=80),
            ),
        ),
    ),
    answer="Four callers:\n\n| file | line | needs |\n| --- | --- | --- |\n| reports/nightly.py | 88 | sums only |\n"
    "| reports/summary.py | 31 | sums only |\n| api/statements.py | 112 | rows |\n| tests/test_totals.py | 19 | rows |",
)
_MIGRATIONS = "\n".join(f"migrations/{number:04d}.sql" for number in range(1, 24))
_SCHEMA = Chapter(
    prompt="Describe the tables and indexes behind monthly_totals(): columns used in WHERE, JOIN and GROUP BY, "
    "existing indexes, row counts if a fixture or comment states them.",
    steps=(
        Step(
            "",
            "",
            (
                Call("Glob", {"pattern": "migrations/*.sql"}, _MIGRATIONS),
                Call("Read", {"file_path": f"{_FOLDER}/migrations/0019.sql"}, listing_lines=60),
            ),
        ),
    ),
    answer="`postings` (about 41 million rows) is filtered by `booked_on` and joined to `accounts` on `account_id`. "
    "There is an index on `account_id`, none on `booked_on`.",
)

_PLAN = (
    "HashAggregate  (cost=1184220.11..1184612.40 rows=31383 width=44) (actual time=251893.2..251920.8 rows=30112)\n"
    "  ->  Hash Join  (cost=2210.35..1102841.77 rows=10850445 width=20) (actual time=41.1..248001.9 rows=10911034)\n"
    "        ->  Seq Scan on postings  (cost=0.00..1072003.00 rows=10850445) (actual rows=10911034)\n"
    "              Filter: (date_trunc('month', booked_on) = '2026-10-01'::date)\n"
    "              Rows Removed by Filter: 30288120\nExecution Time: 251987.4 ms"
)

_SPEED = Chapter(
    prompt="The nightly report takes over four minutes since October. Make it fast again without changing its numbers.",
    steps=(
        Step(
            "Before optimising I need to know who depends on the function and what the tables look like. These are two "
            "independent searches: two sub-agents can do them at the same time and keep this context small.",
            "I'll have the callers and the schema looked up in parallel.",
            (
                Call(
                    "Task",
                    {
                        "description": "Find callers of monthly_totals",
                        "prompt": _CALLERS.prompt,
                        "subagent_type": "Explore",
                    },
                ),
                Call(
                    "Task",
                    {"description": "Describe the tables", "prompt": _SCHEMA.prompt, "subagent_type": "Explore"},
                ),
            ),
        ),
        Step(
            "No index on booked_on, 41 million rows. But an index would not help if the filter wraps the column in a "
            "function. The plan will tell.",
            "No index on `booked_on`. I'll ask for the query plan before adding one.",
            (Call("Bash", {"command": "psql ledgerline -f reports/explain_monthly.sql", "timeout": 300000}, _PLAN),),
        ),
        Step(
            "As suspected: date_trunc on the column forces the sequential scan. A half-open range on booked_on plus an "
            "index solves both. Half-open keeps the last day's evening postings, so the numbers stay the same.",
            "`date_trunc` hides the column from any index. A half-open range says the same and can use one.",
            (
                Call(
                    "Edit",
                    {
                        "file_path": f"{_FOLDER}/reports/totals.sql",
                        "old_string": "WHERE date_trunc('month', booked_on) = %(month)s",
                        "new_string": "WHERE booked_on >= %(month)s AND booked_on < %(month)s + interval '1 month'",
                    },
                    "The file /home/dev/ledgerline/reports/totals.sql has been updated.",
                ),
                Call(
                    "Write",
                    {
                        "file_path": f"{_FOLDER}/migrations/0024.sql",
                        "content": "CREATE INDEX CONCURRENTLY postings_by_day ON postings (booked_on, account_id);\n",
                    },
                    "File created successfully at: /home/dev/ledgerline/migrations/0024.sql",
                ),
            ),
        ),
        Step(
            "",
            "Now the comparison of old and new numbers, and the time.",
            (
                Call(
                    "Bash",
                    {"command": "python -m reports.compare --month 2026-10 --old totals_before.sql --new totals.sql"},
                    "accounts compared: 30112\ndifferences: 0\nbefore: 251.9 s\nafter: 3.4 s",
                ),
            ),
        ),
    ),
    thought="Zero differences, 74 times faster. I should mention that the index is built concurrently.",
    answer="The report runs in **3.4 s instead of 251.9 s**, and all 30,112 account totals are identical.\n\n"
    "- `reports/totals.sql`: the filter wrapped `booked_on` in `date_trunc`, which no index can serve. It is now a "
    "half-open range.\n- `migrations/0024.sql`: an index on `(booked_on, account_id)`, created concurrently, so it can "
    "be applied while the service runs.\n\nNothing else reads the changed file: two of the four callers need only "
    "sums, but they get them from the same rows as before.",
)

REPORT = Story("Speed up nightly report", _FOLDER, (_SPEED,), (_CALLERS, _SCHEMA))
