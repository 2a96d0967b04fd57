from __future__ import annotations

from pathlib import Path

from proxy.cli.sample import demo_settings
from proxy.settings.load import load
from proxy.settings.shape import demo_data_folder

OWN = '[upstreams.real]\nurl = "https://api.example.com"\n[endpoints.own]\n'


def test_nothing_of_the_demo_leaves_this_machine_whatever_is_configured(tmp_path: Path) -> None:
    (tmp_path / "anthropic-proxy.toml").write_text(OWN)
    settings = demo_settings(load(environ={}, folder=tmp_path), "http://127.0.0.1:1", own_data=False).settings
    assert {upstream.url for upstream in settings.upstreams.values()} == {"http://127.0.0.1:1"}
    assert set(settings.endpoints) == {"own"}


def test_the_demo_does_not_touch_the_real_ledger(tmp_path: Path) -> None:
    loaded = load(environ={"ANTHROPIC_PROXY_DATA": "real"}, folder=tmp_path)
    assert demo_settings(loaded, "http://127.0.0.1:1", own_data=False).settings.data == demo_data_folder()
    assert demo_settings(loaded, "http://127.0.0.1:1", own_data=True).settings.data == tmp_path / "real"


def test_the_demo_has_several_endpoints(tmp_path: Path) -> None:
    """S0-32"""
    settings = demo_settings(load(environ={}, folder=tmp_path), "http://127.0.0.1:1", own_data=False).settings
    assert [endpoint.path for endpoint in settings.endpoints.values()] == ["", "/production", "/staging"]
