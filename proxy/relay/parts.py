"""The parts that records are made with, and what becomes of one that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from proxy.exchange import LimitReading, WindowReading
from proxy.reading import ratelimit
from proxy.reading.redaction.redactor import Redactor
from proxy.reading.redaction.scan import Scanner
from proxy.reading.request import RequestFacts, request_facts

log = logging.getLogger(__name__)
T = TypeVar("T")

Readings = tuple[tuple[WindowReading, ...], tuple[LimitReading, ...]]


@dataclass(frozen=True)
class Parts:
    """What reads and masks; a test gives parts that fail."""

    request_facts: Callable[..., RequestFacts] = request_facts
    readings: Callable[..., Readings] = ratelimit.readings
    redactor: Callable[[Iterable[str], bytes, Scanner], Redactor] = Redactor


class Try:
    """Makes what a step makes; if it fails, that is counted and costs what it would have made, not the record."""

    def __init__(self, failed: Callable[[], None]) -> None:
        self.failed = failed
        """Counts one failure."""

    def __call__(self, step: Callable[[], T], otherwise: T) -> T:
        try:
            return step()
        except Exception:
            log.exception("part of a record could not be made")
            self.failed()
            return otherwise
