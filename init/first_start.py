"""Runs before every other container: makes the secrets that do not exist yet and gives each its reader, and hands
volumes to the users who write to them. Standard library only, as root with no other power than changing owners.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = ("otel-collector", "tempo")
"""Services whose data volume begins as root's: their images have no folder that it could take over."""

_MODE = 0o440
"""For its reader, and for root's group: without further powers root could not keep what it cannot read."""


@dataclass(frozen=True)
class Secret:
    """One file at /run/secrets, the same for all who read it."""

    readers: tuple[str, ...]
    """Services; the first one's copy counts where they differ."""
    form: str
    """Regular expression of what it may be."""
    first: Callable[[], str]
    """Makes the first value."""


def _random() -> str:
    return secrets.token_urlsafe(24)


SECRETS = {
    "inspector_token": Secret(("proxy", "prometheus"), r"[!-~]{16,}", _random),
    "grafana_admin_password": Secret(("grafana",), r"[!-~]{16,}", _random),
    # The collector's health page takes every notification and forgets it, until there is a better address.
    "alert_webhook_url": Secret(("alertmanager",), r"https?://[!-~]+", lambda: "http://otel-collector:13133/"),
}


def make(volumes: Path, users: Mapping[str, int]) -> None:
    """Gives every reader every secret it lacks, and every volume its user; what is there already stays as it is.

    `users`: service → user id of its container.
    """
    for service in DATA:
        os.chown(volumes / service, users[service], -1)
    for name, secret in SECRETS.items():
        text = (_text(volumes, name) or secret.first()) + "\n"
        for reader in secret.readers:
            if not _stands(path := _file(volumes, reader, name), text, users[reader]):
                _write(path, text, users[reader])


def change(volumes: Path, name: str, value: str) -> None:
    """Replaces one secret for all its readers. Raises ValueError for a value that cannot be right."""
    if not re.fullmatch(SECRETS[name].form, value):
        raise ValueError(f"{name} has to match {SECRETS[name].form}")
    for reader in SECRETS[name].readers:
        path = _file(volumes, reader, name)
        _write(path, f"{value}\n", path.stat().st_uid)


def _text(volumes: Path, name: str) -> str:
    """What the first reader that has the secret was given; empty where there is none yet."""
    copies = (_file(volumes, reader, name) for reader in SECRETS[name].readers)
    return next((text for copy in copies if copy.exists() and (text := copy.read_text("ascii").strip())), "")


def _stands(path: Path, text: str, user: int) -> bool:
    """Whether nothing is left to write; a full disk is in the way of nobody then."""
    if not path.exists():
        return False
    found = path.stat()
    return (stat.S_IMODE(found.st_mode), found.st_uid, path.read_text("ascii")) == (_MODE, user, text)


def _write(path: Path, text: str, user: int) -> None:
    """The whole file at once or not at all, whatever the umask is."""
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), _MODE)
        os.fchown(file.fileno(), user, os.getgid())
    draft.replace(path)


def _file(volumes: Path, reader: str, name: str) -> Path:
    return volumes / f"{reader}-secrets" / name


def _run(volumes: Path, command: list[str]) -> int:
    match command:
        case ["make", *users]:
            make(volumes, {service: int(user) for service, _, user in (each.partition("=") for each in users)})
        case ["show"]:
            for name in SECRETS:
                print(f"{name:24}{_text(volumes, name) or 'not made yet'}")
        case ["set", name] if name in SECRETS:
            print(f"{name}: ", end="", file=sys.stderr, flush=True)
            change(volumes, name, sys.stdin.readline().strip())
        case _:
            print(f"show | set {'|'.join(SECRETS)}", file=sys.stderr)
            return 2
    return 0


def main(arguments: list[str]) -> int:
    """The folder of the volumes, then `make SERVICE=USER…`, `show`, or `set NAME` with the value on standard input.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    try:
        return _run(Path(*arguments[:1]), arguments[1:])
    except (OSError, ValueError) as error:
        print(f"init: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
