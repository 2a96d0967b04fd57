"""What comes before any process serves: its port, the data folder, the links to both."""

from __future__ import annotations

import socket

from proxy.inspector.tokens import TokenError, api_token
from proxy.ledger.folder import Folder, prepare
from proxy.settings.addresses import url
from proxy.settings.errors import SettingsError
from proxy.settings.load import Loaded
from proxy.settings.shape import Settings
from proxy.supervisor import listening


def open_port(room: str, loaded: Loaded) -> socket.socket:
    """The listening socket of `relay` or `inspector`. Raises SettingsError."""
    listen = {"relay": loaded.settings.relay.listen, "inspector": loaded.settings.inspector.listen}[room]
    return listening.listen(f"{room}.listen", listen, loaded.origins.get(f"{room}.listen"))


def make_ready(folder: Folder, settings: Settings) -> None:
    """Makes or migrates the ledger, and the API token. Raises SettingsError, LedgerError."""
    try:
        prepare(folder)
        api_token(settings.inspector.token_file or folder.token, create=settings.inspector.token_file is None)
    except TokenError as error:
        raise SettingsError(f"inspector.token_file: {error}") from error


def base_urls(settings: Settings, relay: socket.socket) -> tuple[str, ...]:
    """The base URL of every endpoint, the shortest first."""
    return tuple(sorted(url(relay) + endpoint.path for endpoint in settings.endpoints.values()))


def sign_in(inspector: socket.socket, code: str) -> str:
    """The link that signs in once."""
    return f"{url(inspector)}/sign-in?code={code}"


def token_file(settings: Settings, folder: Folder) -> str:
    """Where the API token stands."""
    return str(settings.inspector.token_file or folder.token)
