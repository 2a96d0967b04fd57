"""How the caller's own secrets are spelt where they turn up."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote

MIN_SECRET_CHARS = 8
"""Shorter values turn up by chance; masking those would damage what is stored."""


def forms(secret: str) -> Iterable[bytes]:
    """Yield the spellings under which a secret can turn up: as it is, in JSON, in a URL, and inside base64."""
    plain = secret.encode("utf-8", "surrogateescape")
    yield plain
    in_json = plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    yield in_json
    yield in_json.replace(b"/", b"\\/")
    yield quote(plain, safe="").encode()
    yield quote(plain).encode()
    for before in range(3):
        encoded = b64encode(b"\0" * before + plain)
        core = encoded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
        if len(core) >= MIN_SECRET_CHARS:
            yield core
            yield core.replace(b"+", b"-").replace(b"/", b"_")
