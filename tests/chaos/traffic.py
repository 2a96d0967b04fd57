"""Agents that go on whatever happens: sessions whose calls grow, some of them left early."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Sequence
from uuid import UUID

from tests.kit.crowd import Crowd
from tests.kit.paced import target

_TURNS = 8
_WORDS = "what the tool said, line by line. "


class Traffic:
    """So many agents in a thread of their own; `crowd.heard` is what they heard. No name is used twice."""

    def __init__(self, address: tuple[str, int], agents: int, seed: int, name: str) -> None:
        self.crowd = Crowd(address)
        self._name = name
        self._chance = random.Random(seed)
        self._agents = agents
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: self.crowd.run(self._all()), daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Lets every agent end the call it is in."""
        self._over.set()
        self._thread.join(patience)
        assert not self._thread.is_alive(), f"a client still waits for its answer after {patience:.0f} s"

    async def _all(self) -> None:
        seeds = [self._chance.getrandbits(32) for _ in range(self._agents)]
        await asyncio.gather(*(self._agent(number, random.Random(seed)) for number, seed in enumerate(seeds)))

    async def _agent(self, number: int, chance: random.Random) -> None:
        calls = 0
        while not self._over.is_set():
            session, messages = str(UUID(int=chance.getrandbits(128))), []
            for _ in range(_TURNS):
                if self._over.is_set():
                    return
                calls += 1
                nonce = f"{self._name}{number}-{calls}"
                messages.append({"role": "user", "content": f"{nonce}: {_WORDS * chance.randint(1, 60)}"})
                await self._call(nonce, session, messages, chance)
                messages.append({"role": "assistant", "content": "Understood."})
                await asyncio.sleep(chance.uniform(0.0, 0.4))

    async def _call(self, nonce: str, session: str, messages: Sequence[dict[str, str]], chance: random.Random) -> None:
        events = chance.choice((0, 0, 5, 20, 40))
        said = {"model": "claude-sonnet-4-6", "max_tokens": 64, "stream": events > 0, "messages": messages}
        said["metadata"] = {"user_id": json.dumps({"device_id": "d", "account_uuid": "", "session_id": session})}
        client = await self.crowd.client()
        asked = client.ask(nonce, target(nonce, events=events, gap=0.02), json.dumps(said).encode())
        try:
            async with asyncio.timeout(chance.uniform(0.01, 0.5) if chance.random() < 0.15 else 45):
                await asked
        except TimeoutError:
            pass  # it has left
        finally:
            client.leave()
