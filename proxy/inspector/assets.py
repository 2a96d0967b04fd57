"""The stylesheet, scripts and icon: read once, served under an address that changes with their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    body: bytes
    media_type: str
    address: str


class Assets:
    """All files of the `static` folder, by name."""

    def __init__(self) -> None:
        folder = Path(__file__).with_name("static")
        self._files = {path.name: _asset(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES}

    def address(self, name: str) -> str:
        """Where a file is found."""
        return self._files[name].address

    async def serve(self, request: Request) -> Response:
        """`GET /static/{name}`; needs no sign-in."""
        asset = self._files.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404)
        caching = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(asset.body, media_type=asset.media_type, headers=caching)


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, _TYPES[path.suffix], f"/static/{path.name}?v={hashlib.sha256(body).hexdigest()[:12]}")
