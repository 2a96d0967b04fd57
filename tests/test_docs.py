"""The documents say what is: made tables are fresh, commands exist, links lead somewhere, nothing is left out."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docs import references, regions
from docs.__main__ import main
from proxy.cli.app import app
from proxy.inspector.app import application
from proxy.ledger.folder import Folder
from proxy.names.fields import FIELDS
from proxy.names.metrics import INSTRUMENTS
from proxy.settings.keys import all_keys
from proxy.settings.load import load
from proxy.settings.otlp import read_metric_interval, read_otlp

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
README = ROOT / "README.md"

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"(?:\S*/)?anthropic-proxy")
VARIABLE = re.compile(r"^\| `(OTEL_\w*(?:<SIGNAL>)?\w*)` \| `([^`]+)` \|", re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text(page: Path) -> str:
    return page.read_text("utf-8")


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(text(page)) if language in languages]


def typed() -> Iterator[tuple[str, list[str]]]:
    """Every command line of every page, as page and words, without comments and prompts."""
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield name(page), words


def commands() -> list[tuple[str, list[str]]]:
    """Those of our own program, without what is redirected, and those in running text."""
    found = [(page, words) for page, words in typed() if PROGRAM.fullmatch(words[0])]
    for page in PAGES:
        for inline in re.findall(r"`(anthropic-proxy [a-z][^`…$]*)`", FENCE.sub("", text(page))):
            if not re.search(r"[\[{]", inline):
                found.append((name(page), shlex.split(inline)))
    return [(page, words[: words.index(">")] if ">" in words else words) for page, words in found]


def anchors(page: Path) -> set[str]:
    """What a heading is called in an address."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_made_tables_are_fresh() -> None:
    assert main(["--check"]) == 0, "run `python -m docs`"


def test_every_table_stands_on_a_page() -> None:
    assert sorted(table for page in PAGES for table in regions.names(text(page))) == sorted(references.tables())


def test_a_stale_part_is_made_anew_and_the_rest_stays() -> None:
    page = "before\n<!-- made by `python -m docs`: one -->\nold\n<!-- end -->\nafter\n"
    made = "before\n<!-- made by `python -m docs`: one -->\n\nnew\n\n<!-- end -->\nafter\n"
    assert regions.renewed(page, {"one": lambda: "new"}) == made
    assert regions.renewed(made, {"one": lambda: "new"}) == made


@pytest.mark.parametrize("table", sorted(references.tables()))
def test_no_row_is_without_a_meaning(table: str) -> None:
    lines = [line for line in references.tables()[table]().splitlines() if line.startswith("|")]
    head = [cell.strip() for cell in lines[0].strip("|").split(" | ")]
    for line in lines:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        assert cells[0], line
        if "Meaning" in head and len(cells) == len(head):
            assert cells[head.index("Meaning")], line


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", text(page))):
        if target.startswith(("https://", "#")):
            assert target.startswith("https://") or target[1:] in anchors(page), target
            continue
        path, _, anchor = target.partition("#")
        assert (page.parent / path).exists(), target
        assert not anchor or anchor in anchors(page.parent / path), target


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    found = {words[1] for _, words in typed() if words[0] == "make" and len(words) > 1}
    for page in PAGES:
        found |= set(re.findall(r"`make ([a-z-]+)", text(page)))
    assert found
    assert found <= targets


@pytest.mark.parametrize(
    ("page", "words"), commands(), ids=lambda value: value if isinstance(value, str) else value[-1]
)
def test_every_command_that_is_shown_can_be_typed(page: str, words: list[str]) -> None:
    """Nothing is run: the command line is only read, as far as the command that would run."""
    command: click.Command = app
    context = click.Context(app, info_name="anthropic-proxy")
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        assert found is not None, f"{page}: {' '.join(words)}"
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=command.name, parent=context, resilient_parsing=True)
    command.make_parser(context).parse_args(args=list(rest))


def test_every_setting_and_its_variable_are_described() -> None:
    page = text(ROOT / "docs/settings.md")
    for key in all_keys():
        assert f"| `{key.path[-1]}` |" in page
        assert f"`{key.variable}`" in page


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_files_that_are_shown_are_right(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "toml"):
        assert tomllib.loads(block)
        file = tmp_path / "anthropic-proxy.toml"
        file.write_text(block, "utf-8")
        assert load(config=file, environ={}, folder=tmp_path).origins


@pytest.mark.parametrize(("variable", "example"), VARIABLE.findall(text(ROOT / "docs/settings.md")))
def test_every_telemetry_variable_that_is_described_counts(variable: str, example: str) -> None:
    base = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
    if variable.endswith("_CLIENT_KEY"):
        base["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] = "client.pem"
    given = base | {variable.replace("<SIGNAL>", "LOGS"): example}
    assert (read_otlp(given), read_metric_interval(given)) != (read_otlp(base), read_metric_interval(base))


def test_every_metric_and_log_field_is_described() -> None:
    metrics, logs = text(ROOT / "docs/metrics.md"), text(ROOT / "docs/logs.md")
    assert [one.name for one in INSTRUMENTS if f"| `{one.name}` |" not in metrics] == []
    assert [one.name for one in FIELDS if f"| `{one.name}` |" not in logs] == []


def test_every_address_of_the_inspector_is_described(tmp_path: Path) -> None:
    app = application(
        folder=Folder(tmp_path),
        base_urls={},
        token="a token of the tests",
        token_file=tmp_path / "token",
        sign_in_code=None,
        metrics=lambda _accept, _health: (b"", ""),
    )
    page = text(ROOT / "docs/api.md")
    private = ("/", "/requests/rows", "/sign-in", "/sign-out", "/static/{name}")
    found = {str(getattr(route, "path", "")) for route in app.routes}
    assert {path for path in found - set(private) if f"GET {path}`" not in page} == set()


def test_the_picture_of_the_readme_is_small_and_on_its_first_screen() -> None:
    first = text(README).splitlines()[:40]
    picture = next(found[1] for line in first if (found := re.search(r"!\[[^\]]+\]\((\S+)\)", line)))
    assert (ROOT / picture).stat().st_size < 300_000
    assert any(line == "make demo" for line in first)


def test_options_of_make_run_are_options_of_serve() -> None:
    """What the README passes on by ARGS."""
    for arguments in re.findall(r'make run ARGS="([^"…]+)"', text(README)):
        command = app.get_command(click.Context(app), "serve")
        assert command is not None
        command.make_parser(click.Context(command)).parse_args(args=shlex.split(arguments))


def test_the_readme_names_the_default_address(tmp_path: Path) -> None:
    assert f"http://{load(environ={}, folder=tmp_path).settings.relay.listen}" in text(README)
