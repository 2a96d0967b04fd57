"""What a machine can decide of how the code reads: walls between rooms, sizes, names, and what is never used."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = sorted((ROOT / "proxy").rglob("*.py"))
MODULES = sorted(path for room in ("proxy", "dashboards", "benchmarks", "init") for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

BASE = {"exchange", "lines", "names", "settings", "version"}
READING = BASE | {"gate", "reading"}
MAY_IMPORT: dict[str, set[str]] = {
    "exchange": set(),
    "lines": set(),
    "names": set(),
    "version": set(),
    "demo": set(),
    "settings": {"names"},
    "gate": BASE,
    "reading": BASE,
    "pricing": BASE,
    "serving": BASE | {"gate"},
    "ledger": READING,
    "relay": READING | {"ledger"},
    "observer": READING | {"ledger", "pricing"},
    "inspector": READING | {"ledger"},
    "processes": READING | {"ledger", "relay", "observer", "inspector", "serving"},
    "supervisor": READING | {"ledger", "inspector", "processes", "demo"},
    "cli": READING | {"ledger", "observer", "inspector", "supervisor"},
    "__main__": {"cli"},
}
"""Room → rooms it may import, itself aside."""

HOME_OF = {
    "httptools": {"relay"},
    "aiohappyeyeballs": {"relay"},
    "ahocorasick_rs": {"reading"},
    "zttp": {"serving"},
    "h11": {"serving"},
    "requests": {"observer"},
    "urllib3": {"observer"},
    "grpc": {"observer"},
    "google": {"observer"},
    "opentelemetry": {"observer", "inspector"},
    "prometheus_client": {"observer"},
    "jinja2": {"inspector"},
    "pygments": {"inspector"},
    "pythonjsonlogger": {"lines"},
    "genai_prices": {"pricing"},
    "uvicorn": {"serving", "demo"},
    "httpx": {"demo", "cli"},
    "click": {"cli"},
}
"""Library → the only rooms that use it."""

NOT_IN_A_RELAY = (
    *("opentelemetry", "requests", "grpc", "google"),
    *("jinja2", "httpx", "prometheus_client", "genai_prices", "pygments", "starlette"),
)
BANNED_ON_THE_DATA_PATH = ("BaseHTTPMiddleware", "BackgroundTask", "StreamingResponse")
MOST_LINES, MOST_LINES_OF_INIT, MOST_LINES_OF_TEMPLATE, MOST_LINES_OF_FUNCTION = 300, 50, 120, 60
MOST_COMMENTS, MOST_PATCHES = 0.05, 3

DOTTED_NAME = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    """The first level below `proxy`."""
    return path.relative_to(ROOT / "proxy").parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Dotted names of all modules that a file imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    found = (module.split(".") for module in imported(path))
    return {parts[1] for parts in found if parts[0] == "proxy" and len(parts) > 1} - {room(path)}


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def texts(path: Path) -> Iterator[tuple[str, int]]:
    """String constants with their lines."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno


def python(program: str) -> str:
    """What a fresh interpreter prints."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room(path) for path in PRODUCT} - {"__init__"} <= MAY_IMPORT.keys()


def test_rooms_import_in_one_direction() -> None:
    wrong = {
        name(path): found for path in PRODUCT if (found := rooms_imported(path) - MAY_IMPORT.get(room(path), set()))
    }
    assert wrong == {}


def test_nothing_that_runs_imports_tests_and_dashboards_import_names_only() -> None:
    assert [name(path) for path in PRODUCT if any(module.startswith("tests") for module in imported(path))] == []
    dashboards = [path for path in MODULES if path.is_relative_to(ROOT / "dashboards")]
    found = {module for path in dashboards for module in imported(path) if module.startswith("proxy")}
    assert {module for module in found if not module.startswith("proxy.names")} == set()


def test_libraries_stay_in_their_rooms() -> None:
    wrong = [
        f"{name(path)} imports {library}"
        for path in PRODUCT
        for library in {module.split(".")[0] for module in imported(path)} & HOME_OF.keys()
        if room(path) not in HOME_OF[library]
    ]
    assert wrong == []


def test_a_relay_process_loads_nothing_that_only_others_need() -> None:
    modules = ["proxy.processes.relay", *(module_name(path) for path in PRODUCT if room(path) == "relay")]
    loaded = python(f"import sys, {', '.join(modules)}; print(*sys.modules)").split()
    assert sorted({module.split(".")[0] for module in loaded} & set(NOT_IN_A_RELAY)) == []


def test_nothing_happens_at_import() -> None:
    modules = sorted(module_name(path) for path in PRODUCT if path.name != "__main__.py")
    program = f"""
import json, os, threading, importlib, warnings
before = dict(os.environ)
descriptors = set(os.listdir("/dev/fd"))
for module in {modules!r}:
    importlib.import_module(module)
print(json.dumps([
    dict(os.environ) == before,
    [thread.name for thread in threading.enumerate()],
    len(set(os.listdir("/dev/fd")) - descriptors),
]))
"""
    assert json.loads(python(program)) == [True, ["MainThread"], 0]


def test_modules_are_two_or_three_screens() -> None:
    limits = {path: MOST_LINES_OF_INIT if path.name == "__init__.py" else MOST_LINES for path in MODULES}
    assert {name(path): size for path, limit in limits.items() if (size := len(lines(path))) > limit} == {}


def test_templates_are_one_screen_or_two() -> None:
    templates = [path for path in (ROOT / "proxy").rglob("*") if path.suffix in (".html", ".jinja", ".xml")]
    assert {name(path): len(lines(path)) for path in templates if len(lines(path)) > MOST_LINES_OF_TEMPLATE} == {}


def test_functions_are_short_in_source_and_tests() -> None:
    sizes = {
        f"{name(path)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in [*MODULES, *TESTS]
        for function in functions(path)
    }
    assert {where: size for where, size in sizes.items() if size > MOST_LINES_OF_FUNCTION} == {}


def test_comments_are_few() -> None:
    source = [line.strip() for path in MODULES for line in lines(path)]
    comments = sum(line.startswith("#") for line in source)
    assert comments / len(source) <= MOST_COMMENTS


def test_every_module_says_in_up_to_five_lines_what_lives_in_it() -> None:
    """A tree of errors is drawn at the top of its file."""
    said = {name(path): ast.get_docstring(tree(path)) or "" for path in MODULES if path.name != "errors.py"}
    assert {path: text for path, text in said.items() if not 1 <= len(text.splitlines()) <= 5} == {}


def test_tests_mirror_source() -> None:
    """Tables of data and records without behaviour have nothing of their own to test."""
    behaving = [path for path in PRODUCT if not path.name.startswith("__") and any(functions(path))]
    assert [name(path) for path in behaving if not any(each.exists() for each in mirrors(path))] == []


def mirrors(path: Path) -> tuple[Path, Path]:
    """The test file of a module, or the one of all its family."""
    mirrored = ROOT / "tests" / path.relative_to(ROOT / "proxy")
    return mirrored.with_name(f"test_{path.name}"), mirrored.parent.with_name(f"test_{path.parent.name}.py")


def test_names_of_metrics_and_attributes_are_spelled_once() -> None:
    known = {
        text for path in PRODUCT if room(path) == "names" for text, _ in texts(path) if DOTTED_NAME.fullmatch(text)
    }
    again = [
        f"{name(path)}:{line} {text}"
        for path in PRODUCT
        if room(path) != "names"
        for text, line in texts(path)
        if text in known or text.startswith("gen_ai.")
    ]
    assert known
    assert again == []


def test_the_environment_is_read_in_the_settings_only() -> None:
    readers = {"os.environ", "os.getenv", "os.environb"}
    wrong = [
        f"{name(path)}:{node.lineno}"
        for path in MODULES
        if not path.is_relative_to(ROOT / "proxy" / "settings") and not path.is_relative_to(ROOT / "benchmarks")
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in readers)
        or (isinstance(node, ast.ImportFrom) and {f"{node.module}.{alias.name}" for alias in node.names} & readers)
    ]
    assert wrong == []


def test_the_data_path_is_plain_asgi() -> None:
    """D1–D4, D8"""
    paths = [path for path in PRODUCT if room(path) in ("relay", "gate", "serving", "processes")]
    text = {name(path): path.read_text("utf-8") for path in paths}
    assert [(path, word) for path in text for word in BANNED_ON_THE_DATA_PATH if word in text[path]] == []


def test_nothing_is_mocked_and_little_is_patched() -> None:
    assert [name(path) for path in TESTS if any(module.startswith("unittest.mock") for module in imported(path))] == []
    patches = [
        f"{name(path)}:{node.lineno}"
        for path in TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("monkeypatch.setattr")
    ]
    assert len(patches) <= MOST_PATCHES, patches


def test_nothing_is_skipped_and_nothing_is_left_to_do() -> None:
    left = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|pytest\.(mark\.)?(skip|xfail)|NotImplementedError")
    paths = [path for path in [*MODULES, *TESTS] if path != Path(__file__)]
    assert [f"{name(path)}: {line.strip()}" for path in paths for line in lines(path) if left.search(line)] == []


def test_locks_name_packages_and_hashes_but_no_place_to_get_them_from() -> None:
    """H20"""
    for lock in ("requirements.txt", "requirements-dev.txt", "requirements-fuzz.txt"):
        text = (ROOT / lock).read_text("utf-8")
        assert not re.search(r"https?://|^-|@ file:", text, re.MULTILINE)
        entries = re.split(r"\n(?=[a-z0-9])", text)
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_direct_runtime_packages_are_at_most_25() -> None:
    """H20"""
    text = (ROOT / "requirements.txt").read_text("utf-8")
    assert len(re.findall(r"#(?: via|  ) anthropic-proxy \(pyproject\.toml\)", text)) <= 25
