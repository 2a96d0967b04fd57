"""A family of processes: started together, started again when one ends, stopped in order."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

STEADY_S = 60.0
"""A child that lived this long had no trouble at its start."""
TELL_AGAIN_S = 1.0
HURRY_S = 12.0
"""What a child has left after a second signal: enough to store what it knows."""
HURRY_AGAIN_S = 0.5
"""Between the two signals to a child whose turn comes after the operator's second one."""

_MOST_DOUBLINGS = 20
"""Of a pause; what fails for days must not make a number that no float holds."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running."""

    name: str
    start: Callable[[int, int], subprocess.Popen[bytes]]
    """Starts it, given the descriptor of the parent's pipe and how often it was started before."""
    patience: float
    """Seconds it may take to end when told to."""
    turn: int
    """When it is told to: those of one turn together, after all of earlier turns have ended."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Whom the family talks to."""

    say: Callable[[str], None]
    """Takes one line."""
    changed: Callable[[dict[str, int]], None]
    """Takes the process ids by name whenever they change."""
    stopping: Callable[[], None]
    """Called once, before the first child is told to end."""


@dataclass(frozen=True, slots=True)
class _Ended:
    name: str
    code: int
    """Negative: the signal that ended it."""


@dataclass(slots=True)
class _State:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    starts: int = 0
    failures: int = 0
    due: float | None = None
    """When it is started again; None while it runs."""
    deadline: float = 0.0
    """When it is killed, once it was told to end."""


_Running = tuple[subprocess.Popen[bytes], _State]


class Children:
    """Runs children until a signal comes; then stops them, turn by turn.

    A child that ends, or cannot be started, is started again after `first_wait` seconds, doubled each time up to
    `longest_wait`.
    """

    def __init__(
        self, children: Sequence[Child], operator: Operator, *, first_wait: float = 0.5, longest_wait: float = 30.0
    ) -> None:
        self._states = {child.name: _State(child) for child in children}
        self._operator = operator
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._events: SimpleQueue[_Ended | int] = SimpleQueue()
        self._hurries = 0
        self._clean = True
        self._tell_again: float | None = None
        """When the operator is told anew; None while it knows."""

    def run(self) -> int:
        """Returns the exit code: 0 if every child ended by itself and well when it was told to, else 1."""
        with _parent_pipe() as parent, self._signals():
            for state in sorted(self._states.values(), key=lambda each: -each.child.turn):
                self._start(state, parent)
            self._tell()
            self._watch(parent)
            self._operator.stopping()
            for turn in sorted({state.child.turn for state in self._states.values()}):
                self._stop([state for state in self._states.values() if state.child.turn == turn])
        return 0 if self._clean else 1

    def _watch(self, parent: int) -> None:
        """Returns when a signal has come."""
        while True:
            planned = [self._tell_again, *(state.due for state in self._states.values())]
            event = self._next(min((due for due in planned if due is not None), default=None))
            if isinstance(event, int):
                return
            if event is not None:
                self._plan(event)
            late = [state for state in self._states.values() if state.due is not None and state.due <= time.monotonic()]
            for state in late:
                self._start(state, parent)
            if late or (self._tell_again is not None and self._tell_again <= time.monotonic()):
                self._tell()

    def _next(self, until: float | None) -> _Ended | int | None:
        """What happens next; None if nothing does until then."""
        try:
            return self._events.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except Empty:
            return None

    def _start(self, state: _State, parent: int) -> None:
        try:
            process = state.child.start(parent, state.starts)
            self._await(state.child.name, process)
        except (OSError, RuntimeError) as error:
            self._put_off(state, f"cannot be started ({error})")
            return
        state.process, state.started, state.due = process, time.monotonic(), None
        state.starts += 1

    def _await(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Has the end of a process become an event. RuntimeError where no thread can be had; then it is ended."""
        try:
            threading.Thread(target=lambda: self._events.put(_Ended(name, process.wait())), daemon=True).start()
        except RuntimeError:
            process.kill()
            process.wait()
            raise

    def _plan(self, ended: _Ended) -> None:
        state = self._states[ended.name]
        state.process = None
        if time.monotonic() - state.started >= STEADY_S:
            state.failures = 0
        self._put_off(state, f"ended ({_how(ended.code)})")
        self._tell()

    def _put_off(self, state: _State, why: str) -> None:
        wait = min(self._longest_wait, self._first_wait * 2 ** min(state.failures, _MOST_DOUBLINGS))
        state.failures += 1
        state.due = time.monotonic() + wait
        self._operator.say(f"{state.child.name} {why}; starting it again in {wait:g} s")

    def _stop(self, states: Sequence[_State]) -> None:
        """Returns when all have ended, told to, hurried or killed."""
        for process, state in _running(states):
            process.terminate()
            state.deadline = time.monotonic() + (HURRY_S if self._hurries else state.child.patience)
        again = time.monotonic() + (HURRY_AGAIN_S if self._hurries else math.inf)
        while running := list(_running(states)):
            match self._next(min(again, *(state.deadline for _, state in running))):
                case _Ended() as ended:
                    self._states[ended.name].process = None
                    self._clean = self._clean and ended.code in (0, -signal.SIGTERM)
                case int():
                    self._hurry(running)
                case None:
                    if again <= time.monotonic():
                        again = math.inf
                        for process, _ in running:
                            process.terminate()
                    self._kill_late(running)

    def _hurry(self, running: Sequence[_Running]) -> None:
        """A second signal tells the children again, every further one kills them."""
        self._hurries += 1
        for process, state in running:
            if self._hurries == 1:
                process.terminate()
            else:
                process.kill()
            state.deadline = time.monotonic() + HURRY_S

    def _kill_late(self, running: Sequence[_Running]) -> None:
        for process, state in running:
            if state.deadline <= time.monotonic():
                self._operator.say(f"{state.child.name} did not end in time; it is killed")
                process.kill()
                state.deadline = time.monotonic() + HURRY_S

    def _tell(self) -> None:
        """Tells the operator who runs; where that cannot be written down, the children go on and it is told again."""
        try:
            self._operator.changed({each.child.name: process.pid for process, each in _running(self._states.values())})
        except OSError as error:
            if self._tell_again is None:
                self._operator.say(f"run.json cannot be written and is out of date: {error}")
            self._tell_again = time.monotonic() + TELL_AGAIN_S
        else:
            self._tell_again = None

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals become events; one that was ignored from outside stays so (nohup).

        They come through a pipe that the interpreter writes to at once: a Python handler would wait until this thread,
        blocked on the queue, wakes up for another reason.
        """
        taken = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        read, write = os.pipe()
        os.set_blocking(write, False)
        wakened = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in taken}
        reader = threading.Thread(target=self._forward, args=(read, frozenset(taken)))
        reader.start()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakened)
            os.close(write)
            reader.join()
            os.close(read)

    def _forward(self, read: int, taken: frozenset[int]) -> None:
        while numbers := os.read(read, 64):
            for number in numbers:
                if number in taken:
                    self._events.put(number)


def _running(states: Iterable[_State]) -> Iterator[_Running]:
    return ((state.process, state) for state in states if state.process is not None)


@contextlib.contextmanager
def _parent_pipe() -> Iterator[int]:
    """The read end of a pipe whose write end no child has: it ends when this process does, however that happens."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
