"""The conservation laws that hold after everything, whatever failed (`docs/design.md`).

L1 accepted = closed, L2 one record each, L3 stored = exported + pending + dropped, L4 bytes delivered = bytes
received, L5 no secret anywhere. Every end-to-end test ends here.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable
from pathlib import Path

from proxy.ledger import headers
from proxy.ledger.bodies import contents, unpacked
from proxy.ledger.connect import reader
from proxy.ledger.folder import Folder
from proxy.ledger.verify import verify
from tests.kit.process import Proxy, wait

CANARY = "canary7f3a91d2c4"
"""Part of every secret that the tests send."""
SPELLINGS = (CANARY.encode(), *(base64.b64encode(b"x" * before + CANARY.encode())[4:-4] for before in range(3)))
"""As it is, and what of it stands inside base64 wherever it begins."""
API_KEY = f"sk-ant-api03-{CANARY}-AAAA"
OAUTH_TOKEN = f"sk-ant-oat01-{CANARY}-BBBB"


def check(proxy: Proxy, *, payloads: Iterable[bytes] = ()) -> None:
    """Asserts L1–L5; `payloads` are the OTLP bodies that a receiver got."""
    sql = "SELECT count(*) AS n FROM exchanges WHERE outcome IS NULL"
    wait(lambda: proxy.rows(sql)[0]["n"] == 0, "every accepted request to be closed")
    findings = verify(Folder(proxy.data))
    assert findings == [], findings
    _delivered_what_was_received(proxy)
    _no_canary(proxy, payloads)


def _delivered_what_was_received(proxy: Proxy) -> None:
    for row in proxy.rows("SELECT * FROM exchanges WHERE outcome IN ('ok', 'upstream_error', 'error_in_stream')"):
        if row["response_bytes"] is not None:
            assert row["delivered_bytes"] == row["response_bytes"], row


def _no_canary(proxy: Proxy, payloads: Iterable[bytes]) -> None:
    places = files(proxy.data)
    places["output"] = proxy.said().encode()
    places["/metrics"] = proxy.metrics().encode() if _alive(proxy) else b""
    places["bodies"] = stored_bodies(Folder(proxy.data))
    places["otlp"] = b"\n".join(payloads)
    found = [name for name, data in places.items() for spelling in SPELLINGS if spelling in data]
    assert not found, f"a secret stands in {found}"


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path; locks and counters of dead processes may vanish meanwhile."""
    found: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            found[str(path)] = path.read_bytes()
    return found


def _alive(proxy: Proxy) -> bool:
    return proxy._process is not None and proxy._process.poll() is None


def stored_bodies(folder: Folder) -> bytes:
    """Every stored body, without the compression it is stored with."""
    with contextlib.closing(reader(folder.ledger)) as conn:
        whole = [b"".join(b"".join(unpacked(part)) for part in parts()) for *_, parts in contents(conn)]
        fields = [str(headers.unpack(row[0])).encode() for row in conn.execute("SELECT hops FROM headers")]
    return b"\n".join([*whole, *fields])
