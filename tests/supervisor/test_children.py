"""Processes that end, hang and are killed, run by a real supervising process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from proxy.supervisor.children import Child, Children, Operator
from tests.kit.process import wait

STEADY = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up', flush=True)\n"
FOR_EVER = STEADY + "signal.pause()\nsignal.pause()"
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""
TOLD_TWICE = """
import signal, sys
told = []
def tell(*_):
    told.append(1)
    print("told", flush=True)
    if len(told) > 1:
        sys.exit(0)
signal.signal(signal.SIGTERM, tell)
print("up", flush=True)
while True:
    signal.pause()
"""
TOGETHER = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))
print("up", flush=True)
while True:
    signal.pause()
"""


@dataclass
class Family:
    """Children of this process and what was said of them; `run` is to be called in the main thread."""

    folder: Path
    programs: dict[str, str]
    patience: float = 20.0
    turns: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    pids: dict[str, list[int]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    stopped: int = 0
    disk_full: bool = False
    """Who runs cannot be written down."""
    refused: int = 0
    """How many of the next starts the system refuses."""
    threadless: int = 0
    """After how many of the next starts it has no thread left."""

    def run(self, act: Callable[[], None], *, longest_wait: float = 30.0) -> int:
        """Runs the children while `act` acts in another thread and ends by sending signals to this process."""
        children = Children(
            [Child(name, self._starter(name), self.patience, self.turns.get(name, 0)) for name in self.programs],
            Operator(self.said.append, self._changed, self._stopping),
            first_wait=0.05,
            longest_wait=longest_wait,
        )
        actor = threading.Thread(target=act)
        actor.start()
        code = children.run()
        actor.join()
        return code

    def output(self, name: str) -> str:
        """What a child has printed over all its lives."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def up(self, name: str, lives: int = 1) -> None:
        """Waits until the child has begun to listen to signals for that many times."""
        wait(lambda: self.output(name).count("up\n") >= lives, f"{name} to be up {lives} times")

    def _starter(self, name: str) -> Callable[[int, int], subprocess.Popen[bytes]]:
        def start(parent: int, starts: int) -> subprocess.Popen[bytes]:
            if self.refused:
                self.refused -= 1
                raise OSError(errno.EAGAIN, "no process left")
            threading.stack_size(1 << 46 if self.threadless else 0)  # more than there is
            self.threadless = max(0, self.threadless - 1)
            with (self.folder / name).open("ab") as output:
                return subprocess.Popen(
                    [sys.executable, "-c", self.programs[name], str(parent), str(starts)],
                    stdout=output,
                    pass_fds=[parent],
                    start_new_session=True,
                )

        return start

    def _changed(self, processes: dict[str, int]) -> None:
        if self.disk_full:
            raise OSError(errno.ENOSPC, "no space")
        for name, number in processes.items():
            if number not in self.pids.setdefault(name, []):
                self.pids[name].append(number)

    def _stopping(self) -> None:
        self.stopped += 1


def tell(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_a_signal_ends_those_of_a_turn_together_and_the_next_ones_after_them(tmp_path: Path) -> None:
    """I1: relays drain at the same time, the observer goes after they have gone."""
    turns = {"observer": 1, "relay-1": 0, "relay-2": 0}
    family = Family(tmp_path, dict.fromkeys(turns, TOGETHER), turns=turns)

    def act() -> None:
        for name in turns:
            family.up(name)
        tell(signal.SIGTERM)
        wait(lambda: all("told" in family.output(name) for name in ("relay-1", "relay-2")), "both to be told")
        assert "told" not in family.output("observer")
        os.kill(family.pids["relay-2"][0], signal.SIGUSR1)
        time.sleep(0.1)
        assert "told" not in family.output("observer")
        for name in ("relay-1", "observer"):
            wait(lambda n=name: "told" in family.output(n), f"{name} to be told")  # type: ignore[misc]
            os.kill(family.pids[name][0], signal.SIGUSR1)

    assert family.run(act) == 0
    assert family.stopped == 1
    assert family.said == []


def test_a_child_that_ends_is_started_again_with_growing_pauses(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay": "print('up', flush=True); raise SystemExit(3)"})

    def act() -> None:
        family.up("relay", 4)
        tell(signal.SIGINT)

    family.run(act)
    assert family.said[:3] == [
        f"relay ended (exit code 3); starting it again in {pause} s" for pause in (0.05, 0.1, 0.2)
    ]
    assert len(family.pids["relay"]) >= 4


def test_children_go_on_while_it_cannot_be_written_down_who_runs_and_it_is_once_it_can(tmp_path: Path) -> None:
    """F3"""
    family = Family(tmp_path, {"one": FOR_EVER})

    def act() -> None:
        family.up("one")
        family.disk_full = True
        os.kill(family.pids["one"][0], signal.SIGKILL)
        family.up("one", 2)
        family.disk_full = False
        wait(lambda: len(family.pids["one"]) == 2, "the new process id to be told")
        tell(signal.SIGTERM)

    assert family.run(act) == 0
    assert sum("run.json" in line for line in family.said) == 1


def test_a_pause_before_a_start_has_a_longest(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay": "print('up', flush=True); raise SystemExit(3)"})

    def act() -> None:
        family.up("relay", 5)
        tell(signal.SIGINT)

    family.run(act, longest_wait=0.06)
    assert {line.rsplit(" in ")[1] for line in family.said[1:]} == {"0.06 s"}


def test_a_killed_child_is_replaced_while_its_sibling_lives_on(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay": FOR_EVER, "observer": FOR_EVER})

    def act() -> None:
        family.up("relay")
        family.up("observer")
        os.kill(family.pids["observer"][0], signal.SIGKILL)
        family.up("observer", 2)
        tell(signal.SIGTERM)

    assert family.run(act) == 0
    assert len(family.pids["relay"]) == 1
    assert len(family.pids["observer"]) == 2
    assert family.said == ["observer ended (SIGKILL); starting it again in 0.05 s"]


def test_a_child_that_cannot_be_started_is_tried_again_while_its_siblings_live_on(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay": FOR_EVER, "observer": FOR_EVER})

    def act() -> None:
        family.up("relay")
        family.up("observer")
        family.refused = 2
        os.kill(family.pids["observer"][0], signal.SIGKILL)
        family.up("observer", 2)
        tell(signal.SIGTERM)

    assert family.run(act) == 0
    assert [len(family.pids[name]) for name in ("relay", "observer")] == [1, 2]
    assert family.said == [
        "observer ended (SIGKILL); starting it again in 0.05 s",
        "observer cannot be started ([Errno 11] no process left); starting it again in 0.1 s",
        "observer cannot be started ([Errno 11] no process left); starting it again in 0.2 s",
    ]


def test_starts_may_fail_for_days(tmp_path: Path) -> None:
    """A pause doubled for each would be a number that no float holds."""
    family = Family(tmp_path, {"relay": FOR_EVER}, refused=1_200)

    def act() -> None:
        family.up("relay")
        tell(signal.SIGTERM)

    assert family.run(act, longest_wait=0.0) == 0
    assert len(family.said) == 1_200


def test_a_child_that_nobody_could_wait_for_is_ended_and_started_again(tmp_path: Path) -> None:
    """There was no thread left."""
    family = Family(tmp_path, {"relay": FOR_EVER}, threadless=1)

    def act() -> None:
        wait(lambda: family.said, "the failed start to be told")
        family.up("relay")
        tell(signal.SIGTERM)

    assert family.run(act) == 0
    assert [line.partition(" (")[0] for line in family.said] == ["relay cannot be started"]
    assert len(family.pids["relay"]) == 1


def test_a_child_learns_how_often_it_was_started_before(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay": "import sys; print(sys.argv[2], 'up', flush=True)"})

    def act() -> None:
        family.up("relay", 2)
        tell(signal.SIGTERM)

    family.run(act)
    assert family.output("relay").startswith("0 up\n1 up\n")


def test_every_child_of_a_turn_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay-1": DEAF, "relay-2": FOR_EVER, "relay-3": DEAF}, patience=0.5)

    def act() -> None:
        for name in family.programs:
            family.up(name)
        tell(signal.SIGTERM)

    assert family.run(act) == 1
    assert family.said == [f"relay-{number} did not end in time; it is killed" for number in (1, 3)]


def test_a_child_that_does_not_end_in_time_is_killed_and_the_exit_code_says_so(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay": DEAF}, patience=0.2)

    def act() -> None:
        family.up("relay")
        tell(signal.SIGTERM)

    assert family.run(act) == 1
    assert family.said == ["relay did not end in time; it is killed"]


def test_a_second_signal_tells_the_child_again(tmp_path: Path) -> None:
    """I2"""
    family = Family(tmp_path, {"relay": TOLD_TWICE})

    def act() -> None:
        family.up("relay")
        tell(signal.SIGTERM)
        wait(lambda: "told" in family.output("relay"), "the first signal to arrive")
        tell(signal.SIGTERM)

    assert family.run(act) == 0
    assert family.output("relay") == "up\ntold\ntold\n"


def test_children_whose_turn_comes_after_a_second_signal_are_told_twice(tmp_path: Path) -> None:
    """I2: whoever drains must know that nobody waits for that."""
    family = Family(tmp_path, {"traffic": TOLD_TWICE, "relay": TOLD_TWICE}, turns={"traffic": 0, "relay": 1})

    def act() -> None:
        for name in family.programs:
            family.up(name)
        tell(signal.SIGTERM)
        wait(lambda: "told" in family.output("traffic"), "the first signal to arrive")
        tell(signal.SIGTERM)

    assert family.run(act) == 0
    assert family.output("relay") == "up\ntold\ntold\n"
    assert family.said == []


def test_a_third_signal_kills(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay": DEAF})

    def act() -> None:
        family.up("relay")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # equal ones that come together count once
            tell(number)

    assert family.run(act) == 1


def test_a_child_that_failed_while_it_was_stopped_makes_the_exit_code_1(tmp_path: Path) -> None:
    family = Family(tmp_path, {"relay": FOR_EVER.replace("sys.exit(0)", "sys.exit(1)")})

    def act() -> None:
        family.up("relay")
        tell(signal.SIGTERM)

    assert family.run(act) == 1


def test_children_see_the_end_of_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """I3: the pipe ends, whatever became of the process that held it."""
    supervisor = f"""
import subprocess, sys
from proxy.supervisor.children import Child, Children, Operator
waiter = "import os, sys; print('up', flush=True); os.read(int(sys.argv[1]), 1); print('orphaned', flush=True)"
def start(parent, starts):
    output = open({str(tmp_path / "relay")!r}, "ab")
    return subprocess.Popen([sys.executable, "-c", waiter, str(parent)], stdout=output, pass_fds=[parent])
Children([Child("relay", start, 5.0, 0)], Operator(print, print, print)).run()
"""
    process = subprocess.Popen([sys.executable, "-c", supervisor], stdout=subprocess.DEVNULL)
    family = Family(tmp_path, {})
    family.up("relay")
    process.kill()
    process.wait()
    wait(lambda: "orphaned" in family.output("relay"), "the child to see the end of the pipe")
    assert family.output("relay") == "up\norphaned\n"
