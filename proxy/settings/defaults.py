"""What a key is when it is not given and other keys decide it: the built-in upstream and endpoint, paths by name,
and how long bodies are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from proxy.settings.errors import SettingsError
from proxy.settings.shape import BUILT_IN_UPSTREAM, Retention

_Named = dict[str, dict[str, object]]


def complete(tables: Mapping[str, object], origins: Mapping[str, str]) -> dict[str, object]:
    """The tables with every upstream and endpoint whole. Raises SettingsError.

    The upstream `anthropic` is always there; the endpoint `default` only where no other is configured.
    """
    upstreams = msgspec.convert(tables.get("upstreams", {}), _Named)
    configured = tuple(upstreams) or ("anthropic",)
    upstreams.setdefault("anthropic", {}).setdefault("url", BUILT_IN_UPSTREAM)
    for name, upstream in upstreams.items():
        if "url" not in upstream:
            raise SettingsError(f"upstreams.{name}.url is missing; add it", where=_below(origins, f"upstreams.{name}"))
    _refuse_rules_without_pattern(tables, origins)
    endpoints = msgspec.convert(tables.get("endpoints", {}), _Named) or {"default": {}}
    for name, endpoint in endpoints.items():
        endpoint.setdefault("path", "" if name == "default" else f"/{name}")
        if "upstreams" in endpoint:
            continue
        if len(configured) > 1:
            problem = f"endpoints.{name}.upstreams is missing; name one of {', '.join(configured)}"
            raise SettingsError(problem, where=_below(origins, f"endpoints.{name}"))
        endpoint["upstreams"] = configured
    return {**tables, **_retention(tables), "upstreams": upstreams, "endpoints": endpoints}


def _retention(tables: Mapping[str, object]) -> dict[str, object]:
    """Bodies are kept no longer than their requests, unless somebody asks for that."""
    match tables.get("retention"):
        case {"metadata": float(age), **others} if "bodies" not in others:
            return {"retention": {**others, "metadata": age, "bodies": min(age, Retention().bodies)}}
    return {}


def _refuse_rules_without_pattern(tables: Mapping[str, object], origins: Mapping[str, str]) -> None:
    capture = msgspec.convert(tables.get("capture", {}), dict[str, object])
    for name, rule in msgspec.convert(capture.get("redact", {}), _Named).items():
        if "pattern" not in rule:
            key = f"capture.redact.{name}"
            raise SettingsError(f"{key}.pattern is missing; add it", where=_below(origins, key))


def _below(origins: Mapping[str, str], table: str) -> str | None:
    return next((where for key, where in origins.items() if key == table or key.startswith(f"{table}.")), None)
