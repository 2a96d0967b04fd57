"""Templates to answers. Autoescape is always on: captured text is text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from proxy.inspector.assets import Assets
from proxy.version import version

PAGES = (("Requests", "/requests"),)
"""The pages of the navigation."""


class Renderer:
    """Renders the templates of this room."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(asset=assets.address, pages=PAGES, version=version())

    def text(self, template: str, context: Mapping[str, object]) -> bytes:
        """A template as bytes; half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes "?"."""
        return self._environment.get_template(template).render(context).encode("utf-8", "replace")

    def page(
        self,
        template: str,
        context: Mapping[str, object],
        *,
        status: int = 200,
        current: str = "",
        signed_in: bool = True,
    ) -> Response:
        """A template as an answer; `current` is the address of the page in the navigation."""
        body = self.text(template, {"current": current, "signed_in": signed_in, **context})
        return Response(body, status, media_type="text/html")
