"""`python -m tests.fuzz.driver TARGET [libFuzzer's arguments]`: one target under atheris, guided by coverage."""

from __future__ import annotations

import sys
import time

import atheris

from tests.fuzz.targets import Target, corpus, target

SLOW_S = 1.0
"""Seconds of CPU, with the instruments of coverage, after which a case is a hang."""


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=["proxy", "h11"], enable_loader_override=False):
        checked = target(name)
    for path in corpus(name):  # what is made once is made here, and counted to no case
        checked.check(path.read_bytes())
    again = f"{sys.executable} -m tests.fuzz.driver {name}"  # how libFuzzer starts itself to merge
    atheris.Setup([again, *arguments], lambda data: in_time(checked, data))
    atheris.Fuzz()


def in_time(checked: Target, data: bytes) -> None:
    """Checks one input; AssertionError too when that took too long."""
    begun = time.process_time()
    checked.check(data)
    taken = time.process_time() - begun
    assert taken < SLOW_S, f"a case took {taken:.1f} s of CPU"


if __name__ == "__main__":
    main()
