"""What the recorder can be told."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from proxy.ledger.changes import Body, Finished
from tests.ledger.samples import closed


def test_body_is_whole_and_unmasked_unless_it_says_otherwise() -> None:
    body = Body([b"content"], 7)
    assert (body.sha256, body.capture, body.redacted) == (None, None, False)


def test_change_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Finished(closed(1)).exchange = closed(2)  # type: ignore[misc]
