"""Replies of receivers that quote what they were sent."""

from __future__ import annotations

import pytest

from proxy.observer.delivery.replies import Signal
from proxy.observer.delivery.sending import sender_of
from proxy.settings.otlp import Exporter
from tests.receiver import Reply, receiver

TOKEN = "collector-token-0123456789-abcdefghij"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"no such token: {TOKEN}, ask for one", "status 401 no such token: ***ghij-"),
        (f"{'x' * 180} {TOKEN}", f"status 401 {'x' * 180} "),
        ("ask somebody", "status 401 ask somebody"),
    ],
    ids=["whole", "cut", "none"],
)
def test_no_reply_holds_a_credential_or_its_beginning(said: str, kept: str) -> None:
    with receiver() as one:
        one.always("logs", Reply(401, said.encode(), "text/plain"))
        target = Exporter(f"{one.url}/v1/logs", headers={"authorization": f"Bearer {TOKEN}"})
        reply = sender_of(Signal.LOGS, target).send(b"")
    assert reply.said.startswith(kept)
    assert TOKEN[:12] not in reply.said
