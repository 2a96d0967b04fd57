from __future__ import annotations

from pathlib import Path

import pytest

from proxy.ledger.errors import LedgerError
from proxy.ledger.folder import Folder
from proxy.settings.addresses import url
from proxy.settings.errors import SettingsError
from proxy.settings.load import load
from proxy.settings.shape import Endpoint, Inspector, Settings
from proxy.supervisor.listening import listen
from proxy.supervisor.opening import base_urls, make_ready, open_port, token_file


def test_a_port_that_cannot_be_had_is_named_with_where_it_was_chosen(tmp_path: Path) -> None:
    """I5"""
    with listen("relay.listen", "127.0.0.1:0") as taken:
        port = taken.getsockname()[1]
        loaded = load(environ={"ANTHROPIC_PROXY_INSPECTOR_LISTEN": f"127.0.0.1:{port}"}, folder=tmp_path)
        with pytest.raises(SettingsError, match=r"^ANTHROPIC_PROXY_INSPECTOR_LISTEN: inspector\.listen: .* in use"):
            open_port("inspector", loaded)


def test_the_first_start_makes_ledger_and_token_for_their_owner_only(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    folder = Folder(settings.data)
    make_ready(folder, settings)
    assert token_file(settings, folder) == str(folder.token)
    assert {path.stat().st_mode & 0o777 for path in (folder.ledger, folder.token, folder.salt)} == {0o600}
    token = folder.token.read_text()
    make_ready(folder, settings)
    assert folder.token.read_text() == token


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """I5"""
    (tmp_path / "data").touch()
    settings = Settings(data=tmp_path / "data" / "inner")
    with pytest.raises(LedgerError, match=f"^the data folder {settings.data} cannot be used"):
        make_ready(Folder(settings.data), settings)


@pytest.mark.parametrize("content", [None, "", "short"])
def test_a_token_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    """I5"""
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    settings = Settings(data=tmp_path / "data", inspector=Inspector(token_file=path))
    with pytest.raises(SettingsError, match=r"^inspector\.token_file: .*/token "):
        make_ready(Folder(settings.data), settings)


def test_every_endpoint_has_its_base_url() -> None:
    settings = Settings(endpoints={"b": Endpoint(path="/b"), "a": Endpoint(path="/a"), "default": Endpoint(path="")})
    with listen("relay.listen", "127.0.0.1:0") as sock:
        assert base_urls(settings, sock) == (url(sock), f"{url(sock)}/a", f"{url(sock)}/b")
