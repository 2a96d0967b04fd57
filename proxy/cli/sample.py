"""The settings of the demo: whatever else is configured, nothing leaves this machine and no real ledger is touched."""

from __future__ import annotations

import dataclasses

from msgspec import structs

from proxy.settings.load import Loaded
from proxy.settings.shape import Endpoint, demo_data_folder

_ENDPOINTS = {
    "default": Endpoint(path="", upstreams=("anthropic",)),
    "production": Endpoint(path="/production", upstreams=("anthropic",), organization="acme", workflow="assistant"),
    "staging": Endpoint(path="/staging", upstreams=("anthropic",), organization="acme", workflow="nightly"),
}


def demo_settings(loaded: Loaded, upstream: str, *, own_data: bool) -> Loaded:
    """The settings with every upstream replaced by the built-in one.

    `own_data` tells that the data folder was named on the command line; otherwise the demo's own is taken.
    """
    settings = loaded.settings
    configured = any(key.startswith("endpoints.") for key in loaded.origins)
    replaced = structs.replace(
        settings,
        data=settings.data if own_data else demo_data_folder(),
        upstreams={name: structs.replace(each, url=upstream) for name, each in settings.upstreams.items()},
        endpoints=settings.endpoints if configured else _ENDPOINTS,
    )
    return dataclasses.replace(loaded, settings=replaced)
