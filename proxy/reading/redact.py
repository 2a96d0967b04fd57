"""Masks secrets in what is stored: credential headers, query parameters, and a caller's secret wherever it turns up.

A mask is `***`, the last four characters of a long secret, and a salted hash; it does not tell the length.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, unquote_plus

from proxy.exchange import Headers
from proxy.reading.caller import bare, digest, is_credential, is_secret_parameter
from proxy.reading.encodings import decode, encode, is_encoded

_PARAMETER = re.compile("[^&;]+")
"""Parts of a query; some servers take `;` for `&`."""
MIN_SECRET_CHARS = 8
"""Shorter values turn up by chance; masking those would damage what is stored."""
_MIN_HIDDEN_CHARS = 12
MAX_TOKEN_BODY_BYTES = 64 * 1024
"""Bodies of OAuth servers are small; in prompts the same field names are nobody's credential."""
_KEPT_HEADERS, _KEPT_CHARS = 128, 256
"""Most headers of a caller are the same from request to request; their masked form is kept when it is short."""
_KNOWN_PREFIX = re.compile(r"sk-ant-(?:[a-z]+[0-9]*-)?|sk-(?:proj-|or-v1-)?|AIza|gh[pousr]_|xox[a-z]-|ya29\.|eyJ")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{4}")
_TOKEN_FIELD = re.compile(rb'("(?:access_token|refresh_token|client_secret|id_token)"\s*:\s*")([^"\\]{8,})(?=")')


class Redactor:
    """Masks what must not be stored of one exchange."""

    def __init__(self, secrets: Iterable[str], salt: bytes) -> None:
        self._salt = salt
        self._masks: dict[bytes, bytes] = {}
        self._kept = lru_cache(_KEPT_HEADERS)(self._header)
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= MIN_SECRET_CHARS:
                mask = self.mask(secret).encode()
                self._masks.update((form, mask) for form in _forms(secret))

    def mask(self, secret: str) -> str:
        """Return what stands for a secret: the same text for the same secret, whatever its length."""
        prefix = _KNOWN_PREFIX.match(secret)
        hidden = secret[prefix.end() :] if prefix else secret
        last = hidden[-4:] if len(hidden) >= _MIN_HIDDEN_CHARS + 4 else ""
        return f"***{last if _PLAIN.fullmatch(last) else ''}-{digest(secret, self._salt)}"

    def headers(self, headers: Headers) -> Headers:
        """Mask credentials whole (but for the scheme) and the secrets inside all other values."""
        return tuple(
            [
                self._kept(name, value) if len(name) + len(value) <= _KEPT_CHARS else self._header(name, value)
                for name, value in headers
            ]
        )

    def query(self, query: str) -> str:
        """Mask the values of parameters that name a secret, and the secrets inside all others."""
        return _PARAMETER.sub(lambda found: self._parameter(found[0]), query)

    def text(self, text: str) -> str:
        """Mask the secrets in a short text, such as a path or an error message."""
        masked, found = self._masked(text.encode("utf-8", "surrogateescape"))
        return masked.decode("utf-8", "surrogateescape") if found else text

    def body(self, data: bytes, content_encoding: str | None = None) -> tuple[bytes, bool]:
        """Return a whole body with its secrets masked, and whether there were any.

        An encoded body is looked at decoded, as far as that is possible, and encoded again if something was masked.
        """
        if not is_encoded(content_encoding):
            return self._body(data)
        decoded = decode(data, content_encoding)
        if not decoded.data:
            return self._body(data)
        masked, found = self._body(decoded.data)
        return (encode(masked, content_encoding), True) if found else (data, False)

    def without_torn_secret(self, data: bytes) -> bytes:
        """Return the head of a body without the beginning of a secret at its end, where the cut went through one."""
        for form in self._masks:
            for length in range(min(len(form) - 1, len(data)), MIN_SECRET_CHARS - 1, -1):
                if data.endswith(form[:length]):
                    return data[:-length]
        return data

    def _body(self, data: bytes) -> tuple[bytes, bool]:
        masked, found = self._masked(data)
        if len(masked) <= MAX_TOKEN_BODY_BYTES:
            masked, count = _TOKEN_FIELD.subn(self._token, masked)
            found = found or count > 0
        return masked, found

    def _masked(self, data: bytes) -> tuple[bytes, bool]:
        found = False
        for form, mask in self._masks.items():
            if form in data:
                data = data.replace(form, mask)
                found = True
        return data, found

    def _token(self, match: re.Match[bytes]) -> bytes:
        if match[2].startswith(b"***"):
            return match[0]
        return match[1] + self.mask(match[2].decode("utf-8", "surrogateescape")).encode()

    def _header(self, name: str, value: str) -> tuple[str, str]:
        return name, self._credential(value) if is_credential(name) else self.text(value)

    def _credential(self, value: str) -> str:
        secret = bare(value)
        scheme = value[: len(value) - len(secret)] if value.endswith(secret) else ""
        return scheme + self.mask(secret) if secret else value

    def _parameter(self, part: str) -> str:
        name, equals, value = part.partition("=")
        if value and is_secret_parameter(unquote_plus(name)):
            return f"{name}={self.mask(unquote_plus(value))}"
        return self.text(name) + equals + self.text(value)


def _forms(secret: str) -> Iterable[bytes]:
    """Yield the spellings under which a secret can turn up: as it is, in JSON, in a URL, and inside base64."""
    plain = secret.encode("utf-8", "surrogateescape")
    yield plain
    yield plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    yield quote(plain, safe="").encode()
    for before in range(3):
        encoded = b64encode(b"\0" * before + plain)
        core = encoded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
        if len(core) >= MIN_SECRET_CHARS:
            yield core
            yield core.replace(b"+", b"-").replace(b"/", b"_")
