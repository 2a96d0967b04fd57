from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path

from proxy.ledger import costs, cursors
from proxy.ledger.connect import transaction, writer
from proxy.ledger.costs import Cost
from proxy.ledger.folder import Folder, prepare
from proxy.pricing import PriceTable
from tests.cli.commands import Done, command
from tests.ledger.samples import finished, request_id, rows, store


def reprice(folder: Folder, *options: str) -> Done:
    return command(folder.path.parent, "reprice", "--data", str(folder.path), *options)


def test_recorded_requests_get_todays_prices(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    prepare(folder)
    store(folder, *(finished(number) for number in range(4)))
    with closing(writer(folder.ledger)) as conn, transaction(conn):
        costs.save(conn, request_id(0), Cost("old", Decimal(1)))
        cursors.set(conn, "metrics", 3)
    version = PriceTable().version
    said = [f"prices of {version}", "priced anew: 3, priced as before: 0, without a price: 0"]
    waiting = "requests that the observer is about to price itself: 1"
    assert reprice(folder) == Done(0, "\n".join([*said, waiting, ""]), "")
    assert rows(folder, "SELECT price_version FROM costs WHERE latest = 1") == [(version,)] * 3
    again = reprice(folder, "--model", "sonnet", "--since", "2025-10-09T08:53:20Z", "--until", "2025-10-09T08:53:22Z")
    assert again.out.splitlines()[1] == "priced anew: 0, priced as before: 2, without a price: 0"


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    done = reprice(Folder(tmp_path), "--since", "soon")
    assert (done.code, done.out) == (2, "")
    assert "--since must be a time" in done.err
