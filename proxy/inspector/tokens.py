"""Who may look: the API token that persists, the one-time sign-in code, the browser sessions that outlive a restart.

Only hashes of session tokens are stored. Every comparison takes constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

MIN_TOKEN_CHARACTERS = 16
SESSION_SECONDS = 90 * 24 * 3600
"""How long a browser stays signed in."""
MAX_SESSIONS = 64
"""Browsers signed in at once; the oldest is signed out beyond it."""

_log = logging.getLogger(__name__)


class TokenError(Exception):
    """A token file that cannot be used; the text is one sentence that names the file and the remedy."""


def api_token(path: Path, *, create: bool = True) -> str:
    """The API token kept in a file; made (0600) where there is none and `create` allows it.

    Raises TokenError where the file cannot be read or written or holds no usable token.
    """
    try:
        if create:
            _create(path, secrets.token_urlsafe(24) + "\n")
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not text"
        raise TokenError(f"The token file {path} cannot be used ({reason}); give a readable file.") from exc
    if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"The token file {path} must hold one token of at least {MIN_TOKEN_CHARACTERS} characters.")
    return token


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))


class SignInCode:
    """The one-time code of the link printed at start; without a code nothing is ever accepted."""

    def __init__(self, code: str | None) -> None:
        self._code = code
        self._lock = threading.Lock()

    def spend(self, given: str) -> bool:
        """Whether this is the code and it had not been used before; it is used from now on."""
        with self._lock:
            if self._code is None or not same(given, self._code):
                return False
            self._code = None
            return True


class Sessions:
    """Browsers that are signed in, as hashes of their cookies in a file of mode 0600."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._created = _read(path)

    def open(self) -> str:
        """Sign a browser in and return the cookie's value."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._created[_digest(token)] = self._clock()
            while len(self._created) > MAX_SESSIONS:
                self._created.pop(min(self._created, key=self._created.__getitem__))
            self._save()
        return token

    def known(self, token: str) -> bool:
        """Whether the cookie belongs to a browser that is signed in."""
        created = self._created.get(_digest(token))
        return created is not None and created + SESSION_SECONDS > self._clock()

    def close(self, token: str) -> None:
        """Sign a browser out."""
        with self._lock:
            if self._created.pop(_digest(token), None) is not None:
                self._save()

    def _save(self) -> None:
        """On a full disk one must still be able to look: such a browser signs in again after a restart."""
        draft = self._path.with_name(self._path.name + ".new")
        try:
            draft.unlink(missing_ok=True)
            _create(draft, json.dumps(self._created))
            draft.replace(self._path)
        except OSError as error:
            _log.warning("who is signed in cannot be stored (%s)", error.strerror)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _read(path: Path) -> dict[str, float]:
    """The stored sessions; none where the file is missing or unreadable, which only means signing in again."""
    try:
        stored = json.loads(path.read_text("utf-8"))
        return {str(digest): float(created) for digest, created in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _create(path: Path, text: str) -> None:
    """Write a new file that only its owner can read; one that exists is left as it is."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError:
        path.unlink()  # half a token would be in the way of every later start
        raise
