from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings.errors import SettingsError
from proxy.settings.keys import all_keys
from proxy.settings.sources import Flag, Found, file_path, from_environment, from_file, from_flags
from proxy.settings.values import Given

KEYS = all_keys()
FOLDER = Path("/folder")


def test_the_file_of_the_working_folder_is_read_when_no_other_is_named(tmp_path: Path) -> None:
    assert file_path(None, {}, tmp_path) is None
    (tmp_path / "anthropic-proxy.toml").touch()
    assert file_path(None, {}, tmp_path) == Path("anthropic-proxy.toml")
    assert file_path(None, {"ANTHROPIC_PROXY_CONFIG": "by-variable"}, tmp_path) == Path("by-variable")
    assert file_path(Path("by-flag"), {"ANTHROPIC_PROXY_CONFIG": "by-variable"}, tmp_path) == Path("by-flag")


def test_every_value_of_a_file_knows_its_line_and_what_paths_start_from(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('data = "d"\n[relay]\nlisten = "a"\n[endpoints.p]\n')
    assert from_file(Path("x.toml"), tmp_path) == {
        ("data",): Given("d", "x.toml:1", tmp_path),
        ("relay", "listen"): Given("a", "x.toml:3", tmp_path),
        ("endpoints", "p"): Given({}, "x.toml:4", tmp_path),
    }


def test_standard_variables_give_settings_below_our_own() -> None:
    environ = {"NO_COLOR": "1", "OTEL_METRIC_EXPORT_INTERVAL": "5000", "ANTHROPIC_PROXY_LOG_COLOR": "true"}
    assert from_environment(environ, KEYS, {}, FOLDER) == {
        ("log", "color"): Given("true", "ANTHROPIC_PROXY_LOG_COLOR", FOLDER, textual=True),
        ("telemetry", "metric_interval"): Given(5.0, "OTEL_METRIC_EXPORT_INTERVAL", FOLDER),
    }


@pytest.mark.parametrize(
    ("listen", "changed"), [(None, "127.0.0.1:9"), ("[::1]:8080", "[::1]:9"), ("no address", "no address")]
)
def test_a_port_changes_the_address_that_is_given_already(listen: str | None, changed: str) -> None:
    found: Found = {} if listen is None else {("relay", "listen"): Given(listen, "x.toml:1", FOLDER)}
    flags = from_flags((Flag("--port", "port", 9),), found, FOLDER)
    assert flags == {("relay", "listen"): Given(changed, "--port", FOLDER, textual=True)}


@pytest.mark.parametrize("name", ["anthropic", "mine"])
def test_an_upstream_flag_is_the_url_of_the_only_upstream(name: str) -> None:
    found: Found = {} if name == "anthropic" else {("upstreams", name, "dialect"): Given("openai", "x.toml:1", FOLDER)}
    flags = from_flags((Flag("--upstream", "upstream", "http://x"),), found, FOLDER)
    assert flags == {("upstreams", name, "url"): Given("http://x", "--upstream", FOLDER, textual=True)}


def test_an_upstream_flag_is_refused_where_there_are_several() -> None:
    found: Found = {("upstreams", name, "url"): Given("http://x", "x.toml:1", FOLDER) for name in ("b", "a")}
    with pytest.raises(SettingsError) as raised:
        from_flags((Flag("--upstream", "upstream", "http://y"),), found, FOLDER)
    assert str(raised.value) == "--upstream: there are several upstreams (a, b); set the url of one of them"
