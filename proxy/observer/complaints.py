"""What the observer says of its own troubles: at once, then once a minute, and when they are over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from proxy.observer.delivery.replies import Reply, Signal, Verdict

_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class Seldom:
    """Whether it is time to say something again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at: float | None = None

    def now(self) -> bool:
        """True the first time, and then once a minute."""
        now = self._clock()
        if self._said_at is not None and now - self._said_at < _EVERY_S:
            return False
        self._said_at = now
        return True

    def over(self) -> bool:
        """Begin anew; whether anything had been said."""
        said, self._said_at = self._said_at is not None, None
        return said


class Complaints:
    """About the delivery of one signal."""

    def __init__(self, signal: Signal, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = signal.value
        self._failing = Seldom(clock)
        self._broken = Seldom(clock)

    def failed(self, reply: Reply) -> None:
        """A batch was not delivered and is kept."""
        if self._failing.now():
            advice = ": check endpoint and credentials" if reply.verdict is Verdict.MISCONFIGURED else ""
            _log.warning("%s are not delivered (%s)%s; they are kept", self._name, reply.said, advice)

    def given_up(self, count: int, reply: Reply) -> None:
        """Records were refused for good."""
        _log.error("%d of %s refused for good (%s)", count, self._name, reply.said)

    def delivered(self) -> None:
        """A batch has arrived."""
        self._broken.over()
        if self._failing.over():
            _log.warning("%s are delivered again", self._name)

    def broken(self) -> None:
        """The sending itself raised; to be called where that is handled."""
        if self._broken.now():
            _log.exception("sending of %s failed and goes on where it stands", self._name)
