"""Waiting: what agents do in a test until they are let go, and a test until it has come to that."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from perdure import Turn


class Gate:
    """An agent that waits, and says when it has begun to."""

    def __init__(self, *, heeds: bool = True) -> None:
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.heeds = heeds

    async def run_turn(self, turn: Turn) -> str:
        self.begun.set()
        while True:
            try:
                await self.open.wait()
            except asyncio.CancelledError:
                if self.heeds:
                    raise
            else:
                return "done"


class SlowToCome:
    """Builds an agent that never ends by itself, after a while."""

    async def __call__(self, session: Any) -> Gate:
        await asyncio.sleep(0.2)
        return Gate()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Wait until the condition holds."""
    for _ in range(int(seconds / 0.01)):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")
