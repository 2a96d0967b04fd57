"""A few of the inputs of a run, kept with the target: those that reach what no other does, the smallest first."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import CORPUS, corpus

MOST_KEPT, LONGEST = 40, 512
"""Files of a target in all, and bytes of each that is added."""


def distil(name: str, found: Path) -> int:
    """Adds what reaches code that nothing kept reaches, as far as there is room; how many were added."""
    room = MOST_KEPT - len(corpus(name))
    with tempfile.TemporaryDirectory() as folder:
        merged, kept = Path(folder), {path.read_bytes() for path in corpus(name)}
        places = [str(merged), str(CORPUS / name), str(found)]
        command = [sys.executable, "-m", "tests.fuzz.driver", name, "-set_cover_merge=1", *places]
        subprocess.run(command, capture_output=True, check=True)
        inputs = {path.read_bytes(): path.name for path in merged.iterdir()}
    added = sorted((each for each in inputs if each not in kept and len(each) <= LONGEST), key=len)[: max(room, 0)]
    for data in added:
        (CORPUS / name / inputs[data]).write_bytes(data)
    return len(added)
