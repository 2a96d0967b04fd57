"""What a request says of itself: its operation, its parameters, and who is behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.exchange import Headers
from proxy.reading.encodings import decode, is_encoded
from proxy.reading.facts import PromptFacts, word
from proxy.reading.jsontext import Json, Unreadable, compact, parse
from proxy.reading.operations import operation as operation
from proxy.reading.problems import Problems
from proxy.reading.prompt import prompt_facts
from proxy.reading.turns import Turn

MAX_CUSTOMER_DATA_BYTES = 4096
_READ = frozenset({"messages", "count_tokens", "chat", "responses", "embeddings", "images"})
_COUNTED = frozenset({"messages", "count_tokens", "chat", "responses"})
"""Operations with a conversation."""
_STREAMING = frozenset({"messages", "chat", "responses", "images"})
_UUID = "[0-9a-fA-F-]{36}"
_OLD_USER_ID = re.compile(f"_account_({_UUID})?_session_({_UUID})$")
_COMMENT = re.compile(r"\([^)]*\)")
_CLIENT = re.compile(r"[^\s/]+(?:/[^\s/]+)*(?:\s+\d[\w.+-]*)?")


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts of one request; None is not known."""

    operation: str = "other"
    dialect: str | None = None
    """By the path; None leaves it to the upstream."""
    model: str | None = None
    stream: bool | None = None
    parameters: str | None = None
    """JSON object."""
    message_count: int | None = None
    tool_count: int | None = None
    image_count: int | None = None
    session_id: str | None = None
    agent_id: str | None = None
    parent_agent_id: str | None = None
    account_uuid: str | None = None
    client: str | None = None
    """Product and version."""
    retry_count: int | None = None
    customer_data: str | None = None
    """JSON object."""
    workflow: str | None = None
    parse_error: str | None = None


def request_facts(
    *,
    method: str,
    path: str,
    headers: Headers,
    body: bytes | None,
    content_encoding: str | None,
    turn: Turn | None = None,
) -> RequestFacts:
    """Return the facts of a request; never raises, what cannot be read is None and told in `parse_error`.

    `headers` in any case of letters, `body` as on the wire; None stands for a body that was not kept whole.
    `turn` is what is known of it.
    """
    problems = Problems()
    what, dialect = operation(method, path)
    named = {name.lower(): value for name, value in reversed(headers)}
    prompt = PromptFacts()
    if body is not None and what in _READ and not _is_form(named):
        prompt = _prompt(body, content_encoding, problems, turn, counted=what in _COUNTED)
    account_uuid, session_id = _identity(prompt.user_id)
    return RequestFacts(
        operation=what,
        dialect=dialect,
        model=prompt.model,
        stream=bool(prompt.stream) if what in _STREAMING and prompt.readable else prompt.stream,
        parameters=prompt.parameters,
        message_count=prompt.message_count,
        tool_count=prompt.tool_count,
        image_count=prompt.image_count,
        session_id=_name(named.get("x-claude-code-session-id")) or session_id,
        agent_id=_name(named.get("x-claude-code-agent-id")),
        parent_agent_id=_name(named.get("x-claude-code-parent-agent-id")),
        account_uuid=account_uuid,
        client=client(named.get("user-agent")),
        retry_count=_count(named.get("x-stainless-retry-count")),
        customer_data=_customer_data(named, problems),
        workflow=_name(named.get("x-proxy-workflow")),
        parse_error=problems.summary(),
    )


def client(user_agent: str | None) -> str | None:
    """Return product and version of a `user-agent`: `claude-cli/2.1.329`, `Anthropic/Python 2.11.0`."""
    found = _CLIENT.match(_COMMENT.sub(" ", (user_agent or "")[:1000]).strip())
    return found[0][:100] if found else None


def _is_form(named: Mapping[str, str]) -> bool:
    return named.get("content-type", "").strip().lower().startswith("multipart/")


def _prompt(
    body: bytes, content_encoding: str | None, problems: Problems, turn: Turn | None, *, counted: bool
) -> PromptFacts:
    if is_encoded(content_encoding):
        turn = None
        decoded = decode(body, content_encoding)
        if decoded.error:
            problems.note(decoded.error)
            return PromptFacts()
        body = decoded.data
    try:
        return prompt_facts(body, problems, counted=counted, turn=turn)
    except Unreadable as error:
        problems.note(str(error))
        return PromptFacts()


def _identity(user_id: str | None) -> tuple[str | None, str | None]:
    """Return (account uuid, session id) of Claude Code's `metadata.user_id`: JSON text, or its older form."""
    if user_id is None:
        return None, None
    older = _OLD_USER_ID.search(user_id)
    if older:
        return older[1], older[2]
    try:
        identity = parse(user_id.encode())
    except Unreadable:
        return None, None
    if not isinstance(identity, dict):
        return None, None
    account = word(identity.get("account_uuid"))
    return account if account and re.fullmatch(_UUID, account) else None, _name(identity.get("session_id"))


def _name(value: Json) -> str | None:
    """A word that can be quoted in queries and links; what ends a quotation or cannot be seen becomes `_`."""
    text = word(value)
    return text and "".join(each if each.isprintable() and each not in '"`\\' else "_" for each in text)


def _count(value: str | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,4}", value) else None


def _customer_data(named: Mapping[str, str], problems: Problems) -> str | None:
    text = named.get("x-proxy-metadata")
    if text is None:
        return None
    sent = text.encode("utf-8", "surrogateescape")
    if len(sent) > MAX_CUSTOMER_DATA_BYTES:
        problems.note(f"x-proxy-metadata is larger than {MAX_CUSTOMER_DATA_BYTES} bytes")
        return None
    try:
        value = parse(sent)
    except Unreadable as error:
        problems.note(f"x-proxy-metadata: {error}")
        return None
    if not isinstance(value, dict):
        problems.note("x-proxy-metadata is not an object")
        return None
    return compact(value)
