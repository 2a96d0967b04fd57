"""Masks secrets in what is stored: the caller's own wherever they are, known kinds, what rules of the operator match.

A mask is `***`, the last four characters of a long secret, and a salted hash; it does not tell the length.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from proxy.exchange import Headers
from proxy.reading.caller import bare, digest, is_credential, is_secret_parameter
from proxy.reading.encodings import decode, encode, is_encoded
from proxy.reading.redact_scan import MOST_TORN, WORD, Scanner, together
from proxy.reading.redact_stream import cuts, deltas
from proxy.reading.turns import Turn

CALLER = "caller"
"""The rule by which a caller's own credential is masked outside its header."""
TORN = "torn"
"""The rule by which the beginning of a secret is removed where a body breaks off inside it."""
MIN_SECRET_CHARS = 8
"""Shorter values turn up by chance; masking those would damage what is stored."""
MIN_SHORT_CHARS = 4
"""From here on a value with letters and digits is masked where it stands alone, as a word."""
_MIN_HIDDEN_CHARS = 12
_QUICKLY_MADE = Implementation.NoncontiguousNFA
_AROUND = 2 * MIN_SECRET_CHARS
_KEPT_HEADERS, _KEPT_QUERIES, _KEPT_CHARS = 128, 16, 512
"""Most headers of a caller are the same from request to request; their masked form is kept when it is short."""
_PARAMETER = re.compile("[^&;]+")
"""Parts of a query; some servers take `;` for `&`."""
_KNOWN_PREFIX = re.compile(
    r"sk-ant-(?:[a-z]+[0-9]*-)?|sk-(?:proj-|or-v1-)?|AIza|gh[pousr]_|github_pat_|gl(?:pat|dt|rt)-|xox[a-z]-|xapp-"
    r"|ya29\.|GOCSPX-|A[KS]IA|[sr]k_(?:live|test)_|whsec_|npm_|pypi-AgE|SG\.|hf_|eyJ"
)
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{4}")
_SHORT = re.compile(r"(?=.*[A-Za-z_-])(?=.*\d).*", re.DOTALL)


_Field = tuple[str, str]
_MaskedField = tuple[_Field, dict[str, int]]
"""A header field as it is stored, and how often each rule found something in it."""


class Masked(NamedTuple):
    """Bytes without their secrets."""

    data: bytes
    found: dict[str, int]
    """How often each rule found something; empty when the bytes are as they were."""
    edits: tuple[tuple[int, int, int], ...] | None = ()
    """What was replaced: start, end, length of the mask, in order; None where the whole is encoded anew."""


class _Span(NamedTuple):
    start: int
    end: int
    mask: bytes
    rule: str
    """Empty for what continues a secret that is counted already."""


class Redactor:
    """Masks what must not be stored of the exchanges of one caller."""

    def __init__(self, secrets: Iterable[str], salt: bytes, scanner: Scanner | None = None) -> None:
        """`secrets` are the caller's; without a scanner nothing but them is looked for."""
        self._salt = salt
        self._scanner = scanner
        self._masks: dict[bytes, bytes] = {}
        self._words: list[tuple[re.Pattern[bytes], bytes]] = []
        self._kept: dict[_Field, _MaskedField] = {}
        self._kept_query = lru_cache(_KEPT_QUERIES)(self._query)
        for secret in sorted(secrets, key=len, reverse=True):
            mask = self.mask(secret).encode()
            if len(secret) >= MIN_SECRET_CHARS:
                self._masks.update((form, mask) for form in _forms(secret))
            elif len(secret) >= MIN_SHORT_CHARS and _SHORT.fullmatch(secret):
                word = re.escape(secret.encode("utf-8", "surrogateescape"))
                self._words.append((re.compile(rb"(?<![A-Za-z0-9])" + word + rb"(?![A-Za-z0-9])"), mask))
        self._longest = max(map(len, self._masks), default=0)
        self._own = BytesAhoCorasick(self._masks, MatchKind.LeftmostFirst, _QUICKLY_MADE) if self._masks else None

    def mask(self, secret: str) -> str:
        """Return what stands for a secret: the same text for the same secret, whatever its length."""
        prefix = _KNOWN_PREFIX.match(secret)
        hidden = secret[prefix.end() :] if prefix else secret
        last = hidden[-4:] if len(hidden) >= _MIN_HIDDEN_CHARS + 4 else ""
        return f"***{last if _PLAIN.fullmatch(last) else ''}-{digest(secret, self._salt)}"

    def headers(self, headers: Headers, found: Counter[str] | None = None) -> Headers:
        """Mask credentials whole (but for the scheme) and the secrets inside all other values, counted in `found`."""
        new = [field for field in headers if field not in self._kept]
        if new:
            looked_at = self._looked_at(new)
            masked = [self._kept.get(field) or looked_at[field] for field in headers]
            self._keep(looked_at)
        else:
            masked = [self._kept[field] for field in headers]
        for _, rules in masked:
            if rules and found is not None:
                found.update(rules)
        return tuple([field for field, _ in masked])

    def _looked_at(self, headers: Sequence[_Field]) -> dict[_Field, _MaskedField]:
        """What becomes of header fields; one by one only where there is something in any of them."""
        plain = [field for field in headers if not is_credential(field[0])]
        texts = together([text for field in plain for text in field]).encode("utf-8", "surrogateescape")
        if not (self._scanner and self._scanner.ruled) and not self._spans(texts):
            clean: dict[_Field, _MaskedField] = {field: (field, {}) for field in plain}
            return clean | {field: self._header(*field) for field in headers if field not in clean}
        return {field: self._header(*field) for field in headers}

    def _keep(self, looked_at: Mapping[_Field, _MaskedField]) -> None:
        short = {field: each for field, each in looked_at.items() if len(field[0]) + len(field[1]) <= _KEPT_CHARS}
        for field in list(islice(self._kept, max(0, len(self._kept) + len(short) - _KEPT_HEADERS))):
            del self._kept[field]
        self._kept.update(islice(short.items(), _KEPT_HEADERS))

    def query(self, query: str, found: Counter[str] | None = None) -> str:
        """Mask the values of parameters that name a secret, and the secrets inside all others."""
        masked, rules = self._kept_query(query) if len(query) <= _KEPT_CHARS else self._query(query)
        if rules and found is not None:
            found.update(rules)
        return masked

    def text(self, text: str, found: Counter[str] | None = None) -> str:
        """Mask the secrets in a short text, such as a path or an error message."""
        masked = self._masked(text.encode("utf-8", "surrogateescape"))
        if not masked.found:
            return text
        if found is not None:
            found.update(masked.found)
        return masked.data.decode("utf-8", "surrogateescape")

    def body(
        self, data: bytes, content_encoding: str | None = None, *, torn: bool = False, turn: Turn | None = None
    ) -> Masked:
        """Return a whole body with its secrets masked; `torn`: it breaks off, perhaps inside a secret.

        `turn` is what is known of it: where the one before was clean, only what differs is looked at.

        An encoded body is looked at decoded, as far as that is possible, and encoded again if something was masked;
        what is not of its coding is looked at as it is. Raises redact_scan.TooSlow.
        """
        if not is_encoded(content_encoding):
            if turn is None or torn:
                return self._body(data, torn)
            masked = Masked(data, {}) if self._still_clean(data, turn) else self._masked(data)
            turn.clean_for = None if masked.found else self
            return masked
        decoded = decode(data, content_encoding)
        inside = self._body(decoded.data, torn)
        if inside.found:
            return Masked(encode(inside.data, content_encoding), inside.found, None)
        return self._body(data, torn) if decoded.error is not None else Masked(data, {})

    def whole_words(self, data: bytes) -> bytes:
        """Return the head of a body without the word that its limit cut, which may be a part of any secret."""
        tail = data[-MOST_TORN:]
        return data[: len(data) - len(tail) + len(tail.rstrip(WORD))]

    def _still_clean(self, data: bytes, turn: Turn) -> bool:
        """Whether nothing can be in a body because nothing was in the one before, nor in what differs."""
        if turn.before is None or turn.before.clean_for is not self:
            return False
        start, end = turn.start, turn.end
        return not (
            self._own_in(data[max(0, start - self._longest) : end + self._longest])
            or any(word.search(data[max(0, start - _AROUND) : end + _AROUND]) for word, _ in self._words)
            or (self._scanner is not None and self._scanner.again(data, start, end))
        )

    def _body(self, data: bytes, torn: bool) -> Masked:
        masked = self._masked(data, self._across_deltas(data))
        behind = len(data) - (masked.edits[-1][1] if masked.edits else 0)
        length = min(self._torn(masked.data), behind) if torn else 0
        if length:
            found = Counter(masked.found)
            found[TORN] += 1
            edits = (*(masked.edits or ()), (len(data) - length, len(data), 0))
            return Masked(masked.data[:-length], dict(found), edits)
        return masked

    def _torn(self, data: bytes) -> int:
        """How many bytes at the end are the beginning of a secret."""
        begun = None if self._scanner is None else self._scanner.begun(data)
        longest = 0 if begun is None else len(data) - begun
        for form in self._masks:
            for length in range(min(len(form) - 1, len(data)), MIN_SECRET_CHARS - 1, -1):
                if data.endswith(form[:length]):
                    longest = max(longest, length)
                    break
        return longest

    def _masked(self, data: bytes, more: Sequence[_Span] = ()) -> Masked:
        spans = [*more, *self._spans(data)]
        if not spans:
            return Masked(data, {})
        found: Counter[str] = Counter()
        parts, edits, at = [], [], 0
        for span in _joined(spans):
            if span.rule:
                found[span.rule] += 1
            parts += [data[at : span.start], span.mask]
            edits.append((span.start, span.end, len(span.mask)))
            at = span.end
        return Masked(b"".join([*parts, data[at:]]), dict(found), tuple(edits))

    def _own_in(self, data: bytes) -> bool:
        """Whether any form of the caller's own secrets is in some data, found in one pass."""
        return self._own is not None and bool(self._own.find_matches_as_indexes(data))

    def _spans(self, data: bytes) -> list[_Span]:
        spans: list[_Span] = []
        for form, mask in self._masks.items() if self._own_in(data) else ():
            at = data.find(form)
            while at >= 0:
                spans.append(_Span(at, at + len(form), mask, CALLER))
                at = data.find(form, at + len(form))
        for word, mask in self._words:
            spans += [_Span(*match.span(), mask, CALLER) for match in word.finditer(data)]
        for start, end, rule in self._scanner.find(data) if self._scanner is not None else ():
            secret = data[start:end].decode("utf-8", "surrogateescape")
            spans.append(_Span(start, end, self.mask(secret).encode(), rule))
        return spans

    def _across_deltas(self, data: bytes) -> list[_Span]:
        """The parts of secrets that are cut over the events of a stream: the first is masked, the rest goes."""
        text = deltas(data)
        hits = self._spans(text) if text else []
        if not hits:
            return []
        return [
            _Span(part.start, part.end, hit.mask if part.first else b"", hit.rule if part.first else "")
            for hit, parts in zip(hits, cuts(data, [(hit.start, hit.end) for hit in hits]), strict=True)
            for part in parts
        ]

    def _header(self, name: str, value: str) -> _MaskedField:
        found: Counter[str] = Counter()
        masked = self._credential(value) if is_credential(name) else self.text(value, found)
        return (self.text(name, found), masked), dict(found)

    def _credential(self, value: str) -> str:
        secret = bare(value)
        scheme = value[: len(value) - len(secret)] if value.endswith(secret) else ""
        return scheme + self.mask(secret) if secret else value

    def _query(self, query: str) -> tuple[str, dict[str, int]]:
        found: Counter[str] = Counter()
        masked = _PARAMETER.sub(lambda part: self._parameter(part[0], found), query)
        return masked, dict(found)

    def _parameter(self, part: str, found: Counter[str]) -> str:
        name, equals, value = part.partition("=")
        if value and is_secret_parameter(unquote_plus(name)):
            return f"{self.text(name, found)}={self.mask(unquote_plus(value))}"
        return self.text(name, found) + equals + self.text(value, found)


def _joined(spans: Sequence[_Span]) -> Iterator[_Span]:
    """The spans in order; those that overlap become one, the caller's own secret naming it."""
    ordered = sorted(spans, key=lambda span: (span.start, -span.end))
    current = ordered[0]
    for span in ordered[1:]:
        if span.start >= current.end:
            yield current
            current = span
        else:
            longer = not current.rule and span.end > current.end
            named = span if longer or CALLER == span.rule != current.rule else current
            current = _Span(current.start, max(current.end, span.end), named.mask, named.rule)
    yield current


def _forms(secret: str) -> Iterable[bytes]:
    """Yield the spellings under which a secret can turn up: as it is, in JSON, in a URL, and inside base64."""
    plain = secret.encode("utf-8", "surrogateescape")
    yield plain
    in_json = plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    yield in_json
    yield in_json.replace(b"/", b"\\/")
    yield quote(plain, safe="").encode()
    yield quote(plain).encode()
    for before in range(3):
        encoded = b64encode(b"\0" * before + plain)
        core = encoded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
        if len(core) >= MIN_SECRET_CHARS:
            yield core
            yield core.replace(b"+", b"-").replace(b"/", b"_")
