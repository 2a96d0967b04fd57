"""What a supervisor tells its child at start: one JSON document on an inherited pipe, nothing in argv."""

from __future__ import annotations

import contextlib
import os

import msgspec

from proxy.settings.shape import Settings
from proxy.settings.values import as_path


class HandOver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a child needs that is not in the data folder. Descriptors are inherited ones."""

    settings: Settings
    parent: int | None
    """Read end of a pipe that ends when the supervisor does; None where there is none."""
    listener: int | None = None
    """Listening socket of a child that serves."""
    sign_in_code: str | None = None
    """One-time code of the printed link; None once a child has had it."""
    base_urls: tuple[str, ...] = ()
    """What clients set as ANTHROPIC_BASE_URL: the observer shows it, sample traffic goes there."""


def give(descriptor: int, told: HandOver) -> None:
    """Writes and closes; a child that has ended already is the supervisor's loop to see."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(msgspec.json.encode(told, enc_hook=str))


def take(descriptor: int) -> HandOver:
    """Reads to the end and closes."""
    with os.fdopen(descriptor, "rb") as pipe:
        return msgspec.json.decode(pipe.read(), type=HandOver, dec_hook=as_path)
