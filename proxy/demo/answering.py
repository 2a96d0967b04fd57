"""From a complete request to the reply it gets: routes, scenes, failures; no I/O."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from proxy.demo.answer import Message
from proxy.demo.ask import Ask, BadRequestError, glance, read_ask
from proxy.demo.chance import identifier, seeded
from proxy.demo.failures import CONTEXT_TOKENS, FAILURES, HTML_502, Failure, bad_request, error_bytes, failure
from proxy.demo.headers import JSON, SSE, api_lines, edge_lines, organization, request_id
from proxy.demo.limits import Caller, Limits, caller_of
from proxy.demo.messages import compose
from proxy.demo.models import model_entry, model_page
from proxy.demo.openai import ask as openai
from proxy.demo.openai import speaking
from proxy.demo.reply import Close, Reply, message_reply, stream_reply, vector_reply, whole
from proxy.demo.scenes import SCENES, Ending, Scene, draw
from proxy.demo.shapes import Block, Pairs
from proxy.demo.vectors import Vector
from proxy.demo.weight import PromptTokens, weigh

MAX_REMEMBERED_REQUESTS = 10_000
US_SHARE = 0.5
"""Share of organisations whose usage says `inference_geo: us`."""


@dataclass(frozen=True)
class Request:
    """A request that has arrived completely."""

    method: str
    path: str
    target: str
    headers: dict[str, str]
    """By lower-case name; of repeated lines the last."""
    body: bytes

    @property
    def encoding(self) -> str:
        """The content coding of the body, "" for none."""
        return self.headers.get("content-encoding", "")

    @property
    def speaks_openai(self) -> bool:
        """Whether it is a call in OpenAI's dialect."""
        return self.path in openai.PATHS

    @property
    def accepts_gzip(self) -> bool:
        """Whether the answer may be compressed."""
        return "gzip" in self.headers.get("accept-encoding", "")


@dataclass
class _Turn:
    """One request being answered, with the two streams of chance it draws from."""

    request: Request
    caller: Caller
    request_id: str
    before: int
    """How often the same request came already."""
    content: Random
    """The same for the same request: what is answered."""
    envelope: Random
    """Different each time the same request comes: ids, cookies."""


class Answering:
    """Decides what a request gets: for the same seed and request the same, but for ids of repeated requests.

    Whether a request fails is drawn anew where it is tried again, whether or not the client says that it tries again.
    """

    def __init__(self, *, seed: int, failures: float, vectors: dict[str, Vector], clock: Callable[[], float]) -> None:
        self._seed = seed
        self._failures = failures
        self._vectors = vectors
        self._clock = clock
        self._limits = Limits(seed, clock)
        self._times: OrderedDict[str, int] = OrderedDict()

    def reply(self, request: Request) -> tuple[str | None, Reply]:
        """The name of the scene played (`None` when there is none) and the reply."""
        if (wanted := request.headers.get("x-demo-vector")) is not None:
            return f"vector:{wanted}", self._vector(wanted, request)
        turn = self._turn(request)
        name = request.headers.get("x-demo-scene")
        if name is not None and name not in SCENES:
            return None, self._failed(turn, _unknown("x-demo-scene", name, SCENES))
        if name is not None and (SCENES[name].anywhere or request.path == "/v1/messages" or request.speaks_openai):
            ask = _glance(request)
            return name, self._scene(turn, name, ask, weigh(ask.body, turn.content))
        if not turn.caller.known and request.path.startswith("/v1/"):
            return None, self._failed(turn, FAILURES["unauthorized"])
        try:
            return self._routed(turn)
        except BadRequestError as error:
            return None, self._failed(turn, bad_request(str(error)))

    def _routed(self, turn: _Turn) -> tuple[str | None, Reply]:
        request = turn.request
        if request.path in ("/v1/messages", "/v1/messages/count_tokens") or request.speaks_openai:
            if request.method != "POST":
                return None, self._failed(turn, FAILURES["not_allowed"])
            if request.speaks_openai:
                return self._drawn(turn, openai.read(request.path, request.body, request.encoding))
            counting = request.path != "/v1/messages"
            ask = read_ask(request.body, request.encoding, counting=counting)
            return self._counted(turn, ask) if counting else self._drawn(turn, ask)
        if request.method in ("GET", "HEAD"):
            body = _static(request.path)
            if body is not None:
                return None, self._json(turn, body)
        return None, self._failed(turn, FAILURES["not_found"])

    def _drawn(self, turn: _Turn, ask: Ask) -> tuple[str, Reply]:
        retry = turn.request.headers.get("x-stainless-retry-count", str(turn.before))
        chance = seeded(self._seed, "scene", retry, turn.content.random())
        name = draw(chance, self._failures, oauth=turn.caller.oauth)
        prompt = weigh(ask.body, turn.content)
        if prompt.total > CONTEXT_TOKENS:
            name = "prompt_too_long"
        return name, self._scene(turn, name, ask, prompt)

    def _scene(self, turn: _Turn, name: str, ask: Ask, prompt: PromptTokens) -> Reply:
        scene = SCENES[name]
        if scene.ending is Ending.MUTE:
            return Reply(None, close=Close.NEVER)
        if scene.echo:
            return whole(200, self._lines(turn, "application/octet-stream"), turn.request.body)
        if scene.failure == "bad_gateway":
            return whole(502, edge_lines(turn.envelope, self._clock(), "text/html"), HTML_502)
        if scene.failure:
            return self._failed(turn, failure(scene.failure, turn.content, prompt.total), name)
        return self._message(turn, scene, ask, prompt)

    def _message(self, turn: _Turn, scene: Scene, ask: Ask, prompt: PromptTokens) -> Reply:
        told = ask.stream or (isinstance(ask, openai.OpenAiAsk) and speaking.answers_failing(ask, scene))
        if not told and scene.ending in (Ending.ERROR_FIRST, Ending.ERROR_MIDSTREAM):
            return self._failed(turn, FAILURES["overloaded"])
        answer = compose(ask, scene.shape, turn.content)
        self._limits.charge(turn.caller, prompt, answer.output_tokens)
        message = Message(
            id=identifier(turn.envelope, speaking.ID_PREFIX.get(turn.request.path, "msg_01")),
            model=ask.model,
            answer=answer,
            prompt=prompt,
            inference_geo=str(ask.body.get("inference_geo") or _geography(turn.caller)),
            speed="fast" if ask.body.get("speed") == "fast" else "standard",
        )
        streams = ask.stream and turn.request.path != openai.EMBEDDINGS
        lines = [*self._lines(turn, SSE if streams else JSON), *self._limits_told(turn, ask.model)]
        zipped = turn.request.accepts_gzip
        if isinstance(ask, openai.OpenAiAsk):
            return speaking.reply(ask, message, scene, lines, turn.content, accepts_gzip=zipped)
        if not ask.stream:
            return message_reply(message, scene, lines, turn.content, accepts_gzip=zipped)
        lines.append(("Cache-Control", "no-cache"))
        return stream_reply(message, scene, lines, turn.content, turn.request_id, accepts_gzip=zipped)

    def _counted(self, turn: _Turn, ask: Ask) -> tuple[None, Reply]:
        return None, self._json(turn, {"input_tokens": weigh(ask.body, turn.content).total})

    def _failed(self, turn: _Turn, failed: Failure, name: str = "") -> Reply:
        lines = [*self._lines(turn, JSON), *failed.headers]
        if turn.request.speaks_openai:
            lines += self._limits.openai_headers(turn.caller, exhausted=name == "minute_limit")
            status, body = speaking.error_answer(failed, name)
            return whole(status, lines, body)
        if name == "limit_reached":
            lines += self._limits.rejected(turn.caller)
        elif name == "minute_limit":
            lines += self._limits.exhausted(turn.caller)
        return whole(failed.status, lines, error_bytes(failed, turn.request_id))

    def _json(self, turn: _Turn, body: Block) -> Reply:
        return whole(200, self._lines(turn, JSON), json.dumps(body, separators=(",", ":")).encode(), 0.05)

    def _vector(self, name: str, request: Request) -> Reply:
        vector = self._vectors.get(name)
        if vector is None:
            return self._failed(self._turn(request), _unknown("x-demo-vector", name, self._vectors))
        return vector_reply(vector)

    def _lines(self, turn: _Turn, content_type: str) -> Pairs:
        edge = edge_lines(turn.envelope, self._clock(), content_type)
        if turn.request.speaks_openai:
            return edge + speaking.api_lines(turn.envelope, turn.request_id, turn.caller.account)
        return edge + api_lines(turn.envelope, turn.caller, turn.request_id)

    def _limits_told(self, turn: _Turn, model: str) -> Pairs:
        if turn.request.speaks_openai:
            return self._limits.openai_headers(turn.caller)
        return self._limits.headers(turn.caller, model)

    def _turn(self, request: Request) -> _Turn:
        digest = sha256(f"{request.method} {request.target}\n".encode() + request.body).hexdigest()
        times = self._times.pop(digest, 0)
        self._times[digest] = times + 1
        if len(self._times) > MAX_REMEMBERED_REQUESTS:
            self._times.popitem(last=False)
        envelope = seeded(self._seed, "envelope", digest, times)
        content = seeded(self._seed, "content", digest)
        return _Turn(request, caller_of(request.headers), request_id(envelope), times, content, envelope)


def _glance(request: Request) -> Ask:
    if request.speaks_openai:
        return openai.glance(request.path, request.body, request.encoding)
    return glance(request.body, request.encoding)


def _static(path: str) -> Block | None:
    if path == "/v1/models":
        return model_page()
    if path.startswith("/v1/models/"):
        return model_entry(path.removeprefix("/v1/models/"))
    return {"message": "hello"} if path in ("/", "/api/hello") else None


def _unknown(header: str, name: str, known: Iterable[str]) -> Failure:
    return bad_request(f"{header}: {name!r} is not one of {', '.join(known) or '(none)'}")


def _geography(caller: Caller) -> str:
    return "us" if seeded(organization(caller)).random() < US_SHARE else "global"
