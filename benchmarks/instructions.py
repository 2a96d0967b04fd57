"""How many bytecode instructions a piece of Python runs: a cost that is the same on every machine and in every run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def counted(work: Callable[[], object]) -> int:
    """Bytecode instructions that `work` runs in this thread, what it calls included; C code counts as one call.

    https://docs.python.org/3/library/sys.html#sys.settrace
    """
    count = 0

    def opcode(frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return opcode

    before = sys.gettrace()
    sys.settrace(opcode)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
