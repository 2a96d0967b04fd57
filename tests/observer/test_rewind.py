"""Sending again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from proxy.ledger import journal
from proxy.ledger.connect import reader
from proxy.ledger.errors import LedgerError
from proxy.observer.rewind import rewind
from proxy.settings.otlp import Otlp
from tests.kit.process import wait
from tests.observer.samples import cursor, exchange, ledger, messages, observing, otlp, store
from tests.receiver import receiver


def test_a_running_observer_sends_again_from_a_moment_on(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one, "logs")):
        store(folder, [exchange(number) for number in (1, 2, 3)])
        wait(lambda: len(one.logs()) == 3, "records")
        with closing(reader(folder.ledger)) as conn:
            second = journal.after(conn, 0, 9)[1].commit_ns
        wait(lambda: cursor(folder, "logs") == 3, "the cursor")
        assert rewind(folder, "logs", second) == 2
        wait(lambda: len(one.logs()) == 5, "records again")
        numbers = [int(each.removeprefix("px_")) for each in messages(one.logs())]
        assert numbers == [1, 2, 3, 2, 3]
        copies = [record.SerializeToString() for record in one.logs()]
        assert copies[1:3] == copies[3:]


def test_setting_back_to_later_changes_nothing(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with receiver() as one, observing(folder, otlp(one, "logs")):
        store(folder, [exchange(1)])
        wait(lambda: cursor(folder, "logs") == 1, "the cursor")
        assert rewind(folder, "logs", 2**62) == 0
    assert cursor(folder, "logs") == 1


def test_what_cannot_be_sent_again_is_one_sentence(tmp_path: Path) -> None:
    folder = ledger(tmp_path)
    with pytest.raises(LedgerError, match="metrics cannot be sent again, only logs and spans"):
        rewind(folder, "metrics", 0)
    with observing(folder, Otlp()), pytest.raises(LedgerError, match="spans are not exported: set an OTLP endpoint"):
        rewind(folder, "spans", 0)
