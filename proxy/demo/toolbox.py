"""The tools that a coding agent offers with every request, as data."""

from __future__ import annotations

from proxy.demo.prose import examples
from proxy.demo.shapes import Block

EXAMPLES = 24
"""Per tool; makes the definitions as heavy as real ones."""

_TEXT: Block = {"type": "string"}
_NUMBER: Block = {"type": "number"}
_FLAG: Block = {"type": "boolean"}

_TODO: Block = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "content": {"type": "string", "minLength": 1},
            "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
        },
        "required": ["content", "status"],
    },
}
_MODES: Block = {"type": "string", "enum": ["content", "files_with_matches", "count"]}

_TABLE: tuple[tuple[str, str, dict[str, Block], tuple[str, ...]], ...] = (
    (
        "Bash",
        "Runs a command in a shell that keeps its working directory between calls. Quote paths that contain spaces. "
        "Chain dependent commands with &&; independent ones belong in separate calls, which run in parallel. Output "
        "beyond 30,000 characters is cut. Never start an editor or anything else that waits for input.",
        {"command": _TEXT, "description": _TEXT, "timeout": _NUMBER, "run_in_background": _FLAG},
        ("command",),
    ),
    (
        "Read",
        "Reads a file and returns it with line numbers, at most 2,000 lines unless offset and limit say otherwise. The "
        "path must be absolute. Images and PDF files are shown as such. An empty file gives a reminder, not an error.",
        {"file_path": _TEXT, "offset": _NUMBER, "limit": _NUMBER},
        ("file_path",),
    ),
    (
        "Edit",
        "Replaces an exact piece of text in a file that has been read before. The old text must occur exactly once; "
        "otherwise include more of its surroundings or set replace_all. Indentation counts, line numbers do not.",
        {"file_path": _TEXT, "old_string": _TEXT, "new_string": _TEXT, "replace_all": _FLAG},
        ("file_path", "old_string", "new_string"),
    ),
    (
        "Write",
        "Writes a whole file, replacing what was there. An existing file must have been read before. Prefer editing to "
        "writing, and do not write documents that nobody asked for.",
        {"file_path": _TEXT, "content": _TEXT},
        ("file_path", "content"),
    ),
    (
        "Glob",
        "Finds files by a pattern such as src/**/*.py and returns their paths, the most recently changed first. For "
        "open-ended searches that take several rounds use a sub-agent instead.",
        {"pattern": _TEXT, "path": _TEXT},
        ("pattern",),
    ),
    (
        "Grep",
        "Searches file contents with a regular expression. Choose what comes back with output_mode: matching lines, "
        "file names or counts. Narrow the search with path, glob or type. Literal braces need a backslash.",
        {"pattern": _TEXT, "path": _TEXT, "glob": _TEXT, "output_mode": _MODES, "-n": _FLAG, "-i": _FLAG},
        ("pattern",),
    ),
    (
        "Task",
        "Starts a sub-agent with a context of its own that works through several steps alone and reports once. Use it "
        "to search widely or to do independent things at the same time: several calls in one answer run in parallel. "
        "Its report is not shown to the user; summarise what matters.",
        {"description": _TEXT, "prompt": _TEXT, "subagent_type": _TEXT},
        ("description", "prompt", "subagent_type"),
    ),
    (
        "TodoWrite",
        "Keeps the list of steps of the current work. Use it for work of three steps and more, keep exactly one step "
        "in progress, and mark a step completed as soon as it is, not in batches.",
        {"todos": _TODO},
        ("todos",),
    ),
    (
        "WebSearch",
        "Searches the web and returns titles, addresses and passages. Name sources in the answer. The current year "
        "belongs in queries about recent things.",
        {
            "query": _TEXT,
            "allowed_domains": {"type": "array", "items": _TEXT},
            "blocked_domains": {"type": "array", "items": _TEXT},
        },
        ("query",),
    ),
    (
        "WebFetch",
        "Fetches a page, turns it into Markdown and answers a question about it. Redirects to another host are "
        "reported rather than followed. Pages behind a sign-in cannot be fetched.",
        {"url": {"type": "string", "format": "uri"}, "prompt": _TEXT},
        ("url", "prompt"),
    ),
    (
        "NotebookEdit",
        "Replaces, inserts or deletes one cell of a notebook. Cells are numbered from 0; the path must be absolute.",
        {
            "notebook_path": _TEXT,
            "cell_id": _TEXT,
            "new_source": _TEXT,
            "edit_mode": {"type": "string", "enum": ["replace", "insert", "delete"]},
        },
        ("notebook_path", "new_source"),
    ),
    (
        "KillShell",
        "Ends a command that was started in the background, by the id that starting it returned.",
        {"shell_id": _TEXT},
        ("shell_id",),
    ),
)


def toolbox() -> list[Block]:
    """The tool definitions of a request, new objects each time."""
    return [
        {
            "name": name,
            "description": f"{description}\n\nWhen to use it:\n{examples(name, EXAMPLES)}",
            "input_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {parameter: dict(schema) for parameter, schema in properties.items()},
                "required": list(required),
                "additionalProperties": False,
            },
        }
        for name, description, properties, required in _TABLE
    ]
