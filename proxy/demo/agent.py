"""Plays one session of a coding agent: chapters of a story, tools, sub-agents, searches, interruptions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random

from proxy.demo import prompts, prose
from proxy.demo.callers import CallerProfile
from proxy.demo.calling import Calling
from proxy.demo.chance import identifier, seeded, uuid
from proxy.demo.plot import call_made, chapter_of
from proxy.demo.shapes import Block, Pairs
from proxy.demo.stories.story import Call, Chapter, Story

MAX_TURNS = 12
ABORT_SHARE = 0.06
"""Share of turns during which the person presses Esc."""
COUNT_SHARE = 0.25
"""Share of turns before which tokens are counted."""
SMALL_MODEL = "claude-haiku-4-5-20251001"
INTERRUPTED: Block = {"type": "text", "text": "[Request interrupted by user]"}


@dataclass(frozen=True)
class Session:
    """What a session is about and who runs it."""

    caller: CallerProfile
    story: Story
    model: str
    id: str
    hints: bool
    """Whether the client says what kind of request it is sending."""

    def lines(self, kind: str, agent_id: str = "") -> Pairs:
        """The header lines of one conversation of this session; `agent_id` names a sub-agent."""
        lines = [("X-Claude-Code-Session-Id", self.id)]
        if agent_id:
            lines.append(("x-claude-code-agent-id", agent_id))
            lines.append(("x-claude-code-parent-agent-id", "main"))
        if self.hints:
            lines.append(("x-claude-code-request-class", kind))
        return lines


async def play_session(session: Session, calling: Calling, random: Random) -> None:
    """The whole session; ends early when the account's limit is reached."""
    user_id = session.caller.user_id(session.id)
    voice = prompts.Voice(session.model, user_id, session.story.folder, session.caller.oauth)
    await calling.hello()
    if session.caller.oauth:
        await calling.ask(prompts.quota_body(SMALL_MODEL, user_id), session.lines("auxiliary"))
    title = prompts.title_body(SMALL_MODEL, session.story.chapters[0].prompt, user_id)
    await calling.ask(title, session.lines("auxiliary"))
    messages: list[Block] = []
    for chapter in session.story.chapters:
        _say(messages, chapter.prompt, session.story.folder)
        conversation = _Conversation(session, calling, voice, session.lines("main"), chapter, random)
        if not await conversation.run(messages):
            return
        await calling.wait(random.uniform(3, 9))


@dataclass
class _Conversation:
    """One prompt and all turns until its answer, of the main agent or of a sub-agent."""

    session: Session
    calling: Calling
    voice: prompts.Voice
    lines: Pairs
    chapter: Chapter
    random: Random

    async def run(self, messages: list[Block]) -> bool:
        """Extend `messages` turn by turn; False when there is no point in going on."""
        for _ in range(MAX_TURNS):
            body = prompts.agent_body(self.voice, messages)
            if self.random.random() < COUNT_SHARE:
                await self.calling.count(prompts.count_body(body), self.lines)
            abort = not self.voice.subagent and self.random.random() < ABORT_SHARE
            heard = await self.calling.ask(body, self.lines, abort=abort)
            if heard.aborted:
                messages[-1]["content"].append(INTERRUPTED)
                return True
            if not heard.complete:
                return False
            messages.append({"role": "assistant", "content": heard.blocks})
            if not heard.calls:
                return True
            messages.append({"role": "user", "content": await self._results(heard.calls)})
        return False

    async def _results(self, calls: list[Block]) -> list[Block]:
        """The results of parallel tool calls, in the order of the calls."""
        seeds = [self.random.random() for _ in calls]
        return list(await asyncio.gather(*(self._result(*pair) for pair in zip(calls, seeds, strict=True))))

    async def _result(self, block: Block, seed: float) -> Block:
        call = call_made(self.chapter, block["name"], block["input"])
        text, random = "(no output)", seeded(seed)
        if call is not None:
            text = await self._use(call, random)
        await self.calling.wait(random.uniform(0.1, 1.5))
        result: Block = {"type": "tool_result", "tool_use_id": block["id"], "content": text}
        return result | {"is_error": True} if call and call.fails else result

    async def _use(self, call: Call, random: Random) -> str:
        if call.tool == "Task":
            return await self._delegate(call, random)
        if call.tool == "WebSearch":
            body = prompts.search_body(self.voice.model, call.input["query"], self.voice.user_id)
            heard = await self.calling.ask(body, self.session.lines("auxiliary"))
            return heard.text or "The search failed."
        if call.listing_lines:
            return prose.listing(call.input["file_path"], call.listing_lines)
        return call.result

    async def _delegate(self, call: Call, random: Random) -> str:
        """Let a sub-agent do an errand and return its report."""
        chapter = chapter_of(call.input["prompt"])
        if chapter is None:
            return "(no report)"
        voice = replace(self.voice, subagent=True, model=SMALL_MODEL)
        lines = self.session.lines("subagent", identifier(random, "agent_", 12))
        messages: list[Block] = []
        _say(messages, chapter.prompt, self.session.story.folder)
        await _Conversation(self.session, self.calling, voice, lines, chapter, random).run(messages)
        return _report(messages)


def new_session(caller: CallerProfile, story: Story, model: str, random: Random) -> Session:
    """A session with an id drawn from `random`."""
    return Session(caller, story, model, uuid(random), hints=random.random() < 0.4)


def _say(messages: list[Block], prompt: str, folder: str) -> None:
    """Add what the person types; the API wants roles to alternate."""
    if not messages:
        messages.append(prompts.first_message(prompt, folder))
    elif messages[-1]["role"] == "user":
        messages[-1]["content"].append({"type": "text", "text": prompt})
    else:
        messages.append({"role": "user", "content": [{"type": "text", "text": prompt}]})


def _report(messages: list[Block]) -> str:
    last = messages[-1]
    if last["role"] != "assistant":
        return "(the sub-agent failed)"
    return "".join(str(block.get("text", "")) for block in last["content"])
