"""Masks secrets in what is stored: the caller's own wherever they are, known kinds, what rules of the operator match.

A mask is `***`, the last four characters of a long secret, and a salted hash; it does not tell the length.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice, takewhile
from urllib.parse import unquote_plus

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from proxy.exchange import Headers
from proxy.reading.caller import bare, digest, is_credential, is_secret_parameter
from proxy.reading.encodings import CUT, decode, encode, is_compressed, is_encoded, is_text
from proxy.reading.redaction.again import MOST_KEPT, again
from proxy.reading.redaction.escapes import unescaped, whole_escapes
from proxy.reading.redaction.forms import MIN_SECRET_CHARS, forms
from proxy.reading.redaction.scan import MOST_TORN, REACH, WORD, Scanner, Unsearchable, occurs, together
from proxy.reading.redaction.spans import CALLER, Masked, Span, in_tokens, is_json, masked
from proxy.reading.redaction.stream import cuts, deltas
from proxy.reading.turns import Turn

TORN = "torn"
"""The rule by which the beginning of a secret is removed where a body breaks off inside it."""
MIN_SHORT_CHARS = 4
"""From here on a value with letters and digits is masked where it stands alone, as a word."""
_MIN_HIDDEN_CHARS = 12
_QUICKLY_MADE = Implementation.NoncontiguousNFA
_BEFORE = 64
"""Bytes that a search may look back at."""
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

Field = tuple[str, str]
_MaskedField = tuple[Field, dict[str, int] | None]
"""A header field as it is stored, and how often each rule found something in it."""


class Redactor:
    """Masks what must not be stored of the exchanges of one caller."""

    def __init__(self, secrets: Iterable[str], salt: bytes, scanner: Scanner | None = None) -> None:
        """`secrets` are the caller's; without a scanner nothing but them is looked for."""
        self._salt = salt
        self._scanner = scanner
        self._masks: dict[bytes, bytes] = {}
        self._words: list[tuple[re.Pattern[bytes], bytes]] = []
        self._kept: dict[Field, _MaskedField] = {}
        self._kept_query = lru_cache(_KEPT_QUERIES)(self._query)
        for secret in sorted(secrets, key=len, reverse=True):
            mask = self.mask(secret).encode()
            if len(secret) >= MIN_SECRET_CHARS:
                self._masks.update((form, mask) for form in forms(secret))
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
        kept = self._kept
        new = [field for field in headers if field not in kept]
        if new:
            looked_at = self._looked_at(new)
            masked = [looked_at[field] if field in looked_at else kept[field] for field in headers]
            self._keep(looked_at, headers)
        else:
            masked = [kept[field] for field in headers]
        if found is not None:
            for _, rules in masked:
                if rules:
                    found.update(rules)
        return tuple([field for field, _ in masked])

    def look(self, fields: Iterable[Field], texts: Iterable[str]) -> bool:
        """Search header fields and other texts at once; whether the texts are clean.

        Where nothing is in any of them, no field has to be looked at again.
        """
        present = dict.fromkeys(fields)
        looked_at = self._unless_found([field for field in present if field not in self._kept], texts)
        if looked_at is None:
            return False
        self._keep(looked_at, present)
        return True

    def _looked_at(self, headers: Sequence[Field]) -> dict[Field, _MaskedField]:
        """What becomes of header fields; one by one only where there is something in any of them."""
        return self._unless_found(headers, ()) or {field: self._header(*field) for field in headers}

    def _unless_found(self, headers: Sequence[Field], texts: Iterable[str]) -> dict[Field, _MaskedField] | None:
        """What becomes of header fields where only credentials have to be masked; None where there is anything else."""
        secret = {field: (field[0], self._credential(field[1])) for field in headers if is_credential(field[0])}
        said = [field[0] if field in secret else f"{field[0]}\0 {field[1]}" for field in headers]
        joined = together([*texts, *said]).encode("utf-8", "surrogateescape")
        if (self._scanner and self._scanner.ruled) or self._spans(joined):
            return None
        if not secret:
            return {field: (field, None) for field in headers}
        return {field: (secret.get(field, field), None) for field in headers}

    def _keep(self, looked_at: Mapping[Field, _MaskedField], present: Iterable[Field]) -> None:
        """Keep what is short; when that gets too much, only what is present, which the next request will have too."""
        if len(self._kept) + len(looked_at) > _KEPT_HEADERS:
            needed = {field: self._kept[field] for field in present if field in self._kept}
            self._kept = dict(islice(needed.items(), max(0, _KEPT_HEADERS - len(looked_at))))
        short = [each for each in looked_at.items() if not (each[0][0][_KEPT_CHARS:] or each[0][1][_KEPT_CHARS:])]
        self._kept.update(short[:_KEPT_HEADERS])

    def query(self, query: str, found: Counter[str] | None = None) -> str:
        """Mask the values of parameters that name a secret, and the secrets inside all others."""
        masked, rules = self._kept_query(query) if len(query) <= _KEPT_CHARS else self._query(query)
        if rules and found is not None:
            found.update(rules)
        return masked

    def text(self, text: str, found: Counter[str] | None = None) -> str:
        """Mask the secrets in a short text, such as a path or an error message."""
        data = text.encode("utf-8", "surrogateescape")
        made = masked(data, self._spans(data))
        if not made.found:
            return text
        if found is not None:
            found.update(made.found)
        return made.data.decode("utf-8", "surrogateescape")

    def document(self, text: str) -> str | None:
        """As `text`; JSON stays JSON, in which a number that holds a secret is a string then; None where it cannot."""
        plain = self.text(text)
        if plain is text or is_json(plain) or not is_json(text):
            return plain
        data = text.encode("utf-8", "surrogateescape")
        within = masked(data, list(in_tokens(data, self._spans(data)))).data.decode("utf-8", "surrogateescape")
        return within if is_json(within) else None

    def body(
        self, data: bytes, content_encoding: str | None = None, *, torn: bool = False, turn: Turn | None = None
    ) -> Masked:
        """Return a whole body with its secrets masked; `torn`: it breaks off, perhaps inside a secret.

        `turn` is what is known of it: only what differs from the one before is looked at.

        An encoded body is looked at decoded, and encoded again if something was masked. Raises Unsearchable where it
        is of no coding that is known or not of the one that it names, unless it is text as it is.
        """
        if is_encoded(content_encoding):
            decoded = decode(data, content_encoding)
            if decoded.error in (None, CUT) and not is_compressed(decoded.data):
                inside = self._body(decoded.data, torn)
                stored = encode(inside.data, content_encoding) if inside.found else data
                return Masked(stored, inside.found, None if inside.found else ())
            if not is_text(data):
                raise Unsearchable(decoded.error or "encoded twice")
        elif is_compressed(data):
            raise Unsearchable("compressed, which no header says")
        if turn is None or torn:
            return self._body(data, torn)
        spans = self._in_turn(turn)
        turn.searched = (self, spans) if len(spans) <= MOST_KEPT else None
        return masked(data, spans)

    def whole_words(self, data: bytes) -> bytes:
        """Return the head of a body without the word that its limit cut, which may be a part of any secret."""
        tail = data[-MOST_TORN:]
        return data[: len(data) - len(tail) + len(tail.rstrip(WORD))]

    def _in_turn(self, turn: Turn) -> list[Span]:
        """What is found in a body, of which only what differs from the one before is looked at."""
        if turn.searched is not None and turn.searched[0] is self:
            return turn.searched[1]
        if turn.before is None or turn.before.searched is None or turn.before.searched[0] is not self:
            return self._spans(turn.body)
        low, high, known = again(turn, turn.before.searched[1], self._longest)
        new = self._spans(turn.body, low, high)
        return self._spans(turn.body) if any(span.end > high for span in new) else known + new

    def _body(self, data: bytes, torn: bool) -> Masked:
        made = masked(data, [*self._across_deltas(data), *self._spans(data)])
        behind = len(data) - (made.edits[-1][1] if made.edits else 0)
        length = min(self._torn(made.data), behind) if torn else 0
        if length:
            found = Counter(made.found)
            found[TORN] += 1
            edits = (*(made.edits or ()), (len(data) - length, len(data), 0))
            return Masked(made.data[:-length], dict(found), edits)
        return made

    def _torn(self, data: bytes) -> int:
        """How many bytes at the end are the beginning of a secret, escaped or not."""
        tail = data[-MOST_TORN:]
        whole = whole_escapes(tail)
        seen = unescaped(whole)
        inner = whole if seen is None else seen.data
        begun = self._begun(inner) if inner is not tail else 0
        if not begun:
            return self._begun(data)
        kept = len(inner) - begun
        return max(self._begun(data), len(tail) - (kept if seen is None else seen.origin(kept)))

    def _begun(self, data: bytes) -> int:
        """How many bytes at the end are the beginning of a secret as they are."""
        begun = None if self._scanner is None else self._scanner.begun(data)
        longest = 0 if begun is None else len(data) - begun
        for form in self._masks:
            tail = data[-len(form) + 1 :]
            at = tail.find(form[:MIN_SECRET_CHARS])
            while at >= 0 and not form.startswith(tail[at:]):
                at = tail.find(form[:MIN_SECRET_CHARS], at + 1)
            longest = max(longest, len(tail) - at if at >= 0 else 0)
        return longest

    def _spans(self, data: bytes, low: int = 0, high: int = sys.maxsize) -> list[Span]:
        """Every secret that begins between two places, be it written with escapes."""
        spans = self._seen(data, low, high)
        first = max(0, low - _BEFORE)
        seen = unescaped(data[first : high + REACH])
        if seen is not None:
            least, most = (seen.place(low - first), seen.place(high - first)) if high <= len(data) else (0, sys.maxsize)
            for span in self._seen(seen.data, least, most):
                start, end = first + seen.origin(span.start), first + seen.origin(span.end)
                spans.append(span._replace(start=start, end=end))
        return spans

    def _seen(self, data: bytes, low: int, high: int) -> list[Span]:
        """Every secret that begins between two places of bytes as they are."""
        spans: list[Span] = []
        stop, own = min(high, len(data)), self._own
        for form, mask in self._masks.items() if own and occurs(own, data, low, stop, self._longest) else ():
            at = data.find(form, low)
            while 0 <= at < stop:
                spans.append(Span(at, at + len(form), mask, CALLER))
                at = data.find(form, at + len(form))
        for word, mask in self._words:
            matches = takewhile(lambda match: match.start() < stop, word.finditer(data, low))
            spans += [Span(*match.span(), mask, CALLER) for match in matches]
        for start, end, rule in self._scanner.find(data, low, high) if self._scanner is not None else ():
            secret = data[start:end].decode("utf-8", "surrogateescape")
            spans.append(Span(start, end, self.mask(secret).encode(), rule))
        return spans

    def _across_deltas(self, data: bytes) -> list[Span]:
        """The parts of secrets that are cut over the events of a stream: the first is masked, the rest goes."""
        text = deltas(data)
        hits = self._spans(text) if text else []
        if not hits:
            return []
        return [
            Span(part.start, part.end, hit.mask if part.first else b"", hit.rule if part.first else "")
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
