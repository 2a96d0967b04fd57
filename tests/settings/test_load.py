from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.errors import READABLE, SettingsError
from proxy.settings.keys import all_keys
from proxy.settings.load import load
from proxy.settings.shape import Settings
from proxy.settings.sources import Flag

NOWHERE = Path("/nowhere")
FILE = "anthropic-proxy.toml"
FLAG = Flag("--listen", "relay.listen", "127.0.0.1:3")
VARIABLE = {"ANTHROPIC_PROXY_RELAY_LISTEN": "127.0.0.1:2"}


def test_without_anything_given_the_settings_are_the_defaults(tmp_path: Path) -> None:
    loaded = load(environ={}, folder=tmp_path)
    assert (loaded.settings, loaded.origins, loaded.file) == (Settings(), {}, None)


@pytest.mark.parametrize(
    ("file", "environ", "flags", "listen", "origin"),
    [
        (False, {}, (), "127.0.0.1:8080", None),
        (True, {}, (), "127.0.0.1:1", f"{FILE}:2"),
        (True, VARIABLE, (), "127.0.0.1:2", "ANTHROPIC_PROXY_RELAY_LISTEN"),
        (True, VARIABLE, (FLAG,), "127.0.0.1:3", "--listen"),
        (False, VARIABLE, (FLAG,), "127.0.0.1:3", "--listen"),
    ],
)
def test_a_flag_goes_before_a_variable_before_the_file_before_the_default(
    tmp_path: Path, file: bool, environ: dict[str, str], flags: tuple[Flag, ...], listen: str, origin: str | None
) -> None:
    if file:
        (tmp_path / FILE).write_text('[relay]\nlisten = "127.0.0.1:1"\n')
    loaded = load(flags, environ=environ, folder=tmp_path)
    assert loaded.settings.relay.listen == listen
    assert loaded.origins.get("relay.listen") == origin


def test_keys_of_one_table_may_come_from_different_places(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('[relay]\nlisten = "127.0.0.1:1"\n[endpoints.a-b]\norganization = "acme"\n')
    environ = {"ANTHROPIC_PROXY_RELAY_MAX_HEADERS": "7", "ANTHROPIC_PROXY_ENDPOINTS_A_B_BILLING": "free"}
    settings = load(environ=environ, folder=tmp_path).settings
    assert (settings.relay.listen, settings.relay.max_headers) == ("127.0.0.1:1", 7)
    endpoint = settings.endpoints["a-b"]
    assert (endpoint.path, endpoint.organization, endpoint.billing) == ("/a-b", "acme", "free")


def test_paths_of_a_file_start_from_its_folder_and_those_of_a_flag_from_the_working_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "x.toml").write_text('data = "ledger"\n')
    assert load(config=Path("inner/x.toml"), environ={}, folder=tmp_path).settings.data == inner / "ledger"
    flagged = load((Flag("--data", "data", "ledger"),), environ={}, folder=tmp_path)
    assert flagged.settings.data == tmp_path / "ledger"


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(config=Path("nowhere.toml"), environ={}, folder=tmp_path)
    assert str(raised.value) == f"nowhere.toml: cannot be read (No such file or directory); {READABLE}"


@pytest.mark.parametrize("variable", ["ANTHROPIC_PROXY_RELAY_LISTEN", "OTEL_SERVICE_NAME"])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, variable: str) -> None:
    """I5"""
    with pytest.raises(SettingsError, match=f"^{variable}: is not UTF-8 text; write it as UTF-8$"):
        load(environ={variable: "a\udcff"}, folder=tmp_path)
    with pytest.raises(SettingsError, match=r"^--data: is not UTF-8 text; write it as UTF-8$"):
        load((Flag("--data", "data", "\udcff"),), environ={}, folder=tmp_path)


def test_a_file_in_the_home_of_nobody_is_named(tmp_path: Path) -> None:
    """I5"""
    with pytest.raises(SettingsError, match=r"^~no-such-user/x: names the home of a user that does not exist$"):
        load(config=Path("~no-such-user/x"), environ={}, folder=tmp_path)


def test_telemetry_goes_where_the_standard_variables_say(tmp_path: Path) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_METRIC_EXPORT_INTERVAL": "500"}
    telemetry = load(environ=environ, folder=tmp_path).settings.telemetry
    assert telemetry.metric_interval == 0.5
    assert telemetry.otlp.logs is not None
    assert telemetry.otlp.logs.endpoint == "http://127.0.0.1:4318/v1/logs"


def test_telemetry_cannot_be_sent_elsewhere_by_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('[telemetry.otlp.logs]\nendpoint = "http://x"\n')
    with pytest.raises(SettingsError, match=r"^anthropic-proxy\.toml:2: telemetry\.otlp is not a setting"):
        load(environ={}, folder=tmp_path)


VARIABLES = [key.variable.replace("<NAME>", "ANTHROPIC") for key in all_keys()]
TOML_VALUES = ("1", "-1", "true", '""', '"x"', '"10GiB"', '"7d"', "[]", '["a"]', "1.5", "inf", "2026-01-01", "{a=1}")


def mistake(config: Path | None, environ: dict[str, str]) -> SettingsError | None:
    """What is wrong with settings; anything else that is raised fails the test."""
    try:
        load(config=config, environ=environ, folder=NOWHERE)
    except SettingsError as error:
        return error
    return None


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(st.characters(exclude_characters="\0"), max_size=20)))
def test_any_text_in_any_variable_gives_settings_or_one_line(environ: dict[str, str]) -> None:
    """I17"""
    found = mistake(None, environ)
    assert found is None or len(str(found).splitlines()) == 1


@given(st.lists(st.tuples(st.sampled_from(sorted({key.path for key in all_keys()})), st.sampled_from(TOML_VALUES))))
def test_any_value_of_any_key_gives_settings_or_one_line_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[tuple[str, ...], str]]
) -> None:
    """I17"""
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    unique = {".".join(key).replace("*", "anthropic"): value for key, value in rows}
    path.write_text("\n".join(f"{key} = {value}" for key, value in unique.items()))
    found = mistake(path, {})
    assert found is None or found.where is None or str(found).startswith(f"{path}:")
