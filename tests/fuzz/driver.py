"""`python -m tests.fuzz.driver TARGET [libFuzzer's arguments]`: one target under atheris, guided by coverage."""

from __future__ import annotations

import sys

import atheris

from tests.fuzz.targets import target


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=["proxy", "h11"], enable_loader_override=False):
        checked = target(name)
    atheris.Setup([name, *arguments], checked.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
