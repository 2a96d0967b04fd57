from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings.shape import Endpoint, Settings, Upstream, data_folder, demo_data_folder


def test_without_anything_configured_everything_goes_to_anthropic() -> None:
    settings = Settings(data=Path("/data"))
    assert settings.upstreams == {"anthropic": Upstream(url="https://api.anthropic.com", dialect="anthropic")}
    assert settings.endpoints == {"default": Endpoint(path="", upstreams=("anthropic",))}


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings(data=Path("/data")).relay.workers = 2  # type: ignore[misc]


def test_the_demo_keeps_its_ledger_apart() -> None:
    assert demo_data_folder() not in (data_folder(), *data_folder().parents)
    assert data_folder() not in demo_data_folder().parents
