"""Agents that behave as agents may: answer, fail, hang, ignore, stream, land, call tools.

Invariants: an agent's messages are noted before the engine gets them; an agent draws its behaviour
from the seed when its turn begins.
"""

import asyncio
import contextlib
from typing import Any, Final

from perdure import CallbackPending, Completed, NoPendingBoundary, Usage
from perdure.errors import PerdureError, StaleWriter
from perdure.runtime.turn.agent import AgentFailure, Turn, TurnResult
from perdure.values import FailureKind
from tests.support.order_rules import why_refused

from .clock import Process
from .knowledge import Violation
from .world import Site, World

ENDS: Final = {
    "answer": 40,
    "say": 10,
    "nothing to do": 4,
    "nothing to say": 3,
    "call back": 8,
    "fail": 6,
    "break": 4,
    "return nonsense": 2,
    "return what nobody can record": 2,
    "stop itself": 2,
    "hang": 8,
    "ignore its cancellation": 4,
    "wait to be asked to end": 5,
}


class Agent:
    """An agent of one session in one process."""

    name = "simulated"

    def __init__(self, world: World, site: Site) -> None:
        self._world: Final = world
        self._site: Final = site

    async def run_turn(self, turn: Turn) -> Any:
        session_id = turn.session.id
        process = self._site.process
        run = session_id, turn.run_id
        self._world.enter(process, session_id)
        self._site.agents[run] += 1
        try:
            return await self._turn(turn, session_id, process)
        finally:
            self._site.agents[run] -= 1
            if process.alive:
                self._world.leave(process, session_id)

    async def _turn(self, turn: Turn, session_id: str, process: Process) -> Any:
        chance = self._world.chance
        self._looks(turn, session_id)
        self._world.seen["agent runs"] += 1
        await self._asks_a_model(turn, session_id)
        if turn.inputs and chance.random() < 0.5:
            await self._lands(turn, session_id)
        while chance.random() < 0.4:
            match chance.randrange(7):
                case 0 | 1:
                    await asyncio.sleep(chance.choice((0, 0.01, 0.3)))
                case 2 | 3:
                    self._emits(turn, chance.choice((1, 1, 2, 6)))
                case 4:
                    history = await turn.history(limit=3)
                    self._world.heard(session_id, 0, history)
                case _:
                    await self._lands(turn, session_id)
        weights = list(ENDS.values())
        (end,) = chance.choices(list(ENDS), weights)
        self._world.seen[f"agent: {end}"] += 1
        return await self._ends(turn, session_id, end)

    def _looks(self, turn: Turn, session_id: str) -> None:
        """Compare the turn's view with the log."""
        log = self._world.log(session_id)
        run = log.runs.get(turn.run_id)
        if run is None:
            raise self._world.violated(
                Violation("G1", f"the agent runs {turn.run_id}, of which nothing is recorded")
            )
        filtered = log.filters[turn.session.version]
        if turn.tool_filter != filtered:
            raise self._world.violated(
                Violation("G6", f"{turn.run_id} filters its tools by {turn.tool_filter}")
            )

    async def _asks_a_model(self, turn: Turn, session_id: str) -> None:
        """Hold the prompt against the rules of the provider whose shape this world has."""
        wrong = why_refused(self._world.tools, await turn.prompt())
        self._world.seen["a prompt was held against the rules"] += 1
        if wrong is not None:
            raise self._world.violated(Violation("G9", f"the prompt of {session_id}: {wrong}"))

    def _emits(self, turn: Turn, count: int) -> None:
        """Emit something that looks like a message, and is none."""
        for _ in range(count):
            text = f"delta {self._world.known.number()}"
            payload = {"role": "assistant", "content": text}
            self._world.emits(self._site, turn.session.id, turn.run_id, payload)
            turn.emit(payload)

    async def _lands(self, turn: Turn, session_id: str) -> None:
        world = self._world
        said = self._results(turn, session_id)
        said += [world.says(session_id) for _ in range(world.chance.randrange(3))]
        if world.chance.random() < 0.4:
            said += self._calls(session_id)[0]
        usage = Usage(input_tokens=1) if world.chance.random() < 0.2 else None
        world.known.offer(session_id, turn.run_id, "boundary", said)
        try:
            landed = await turn.boundary(said, usage=usage)
        except StaleWriter:
            world.seen["a fenced owner was refused"] += 1
            if world.chance.random() < 0.8:
                world.known.fail(session_id, turn.run_id)
                raise
        except PerdureError:
            world.known.fail(session_id, turn.run_id)
            raise
        else:
            world.told_receipt(session_id, landed.receipt)
            self._looks(turn, session_id)
            if world.chance.random() < 0.3:
                await self._asks_a_model(turn, session_id)
            if world.chance.random() < 0.3:
                self._emits(turn, 1)

    def _results(self, turn: Turn, session_id: str) -> list[dict[str, Any]]:
        """Answer some of the calls that are open, or all."""
        world = self._world
        share = world.chance.choice((0.0, 0.5, 1.0, 1.0))
        waiting = [call.id for call in turn.open_calls if call.status != "executed"]
        return [world.answers(session_id, one) for one in waiting if world.chance.random() < share]

    def _calls(self, session_id: str, share: float = 0.6) -> tuple[list[dict[str, Any]], list[str]]:
        """Make tool calls, and answer some of them."""
        world = self._world
        made, calls = world.calls(session_id, world.chance.choice((1, 1, 2)))
        answered = [call for call in calls if world.chance.random() < share]
        return [*made, *(world.answers(session_id, call) for call in answered)], calls

    async def _ends(self, turn: Turn, session_id: str, end: str) -> Any:
        world, known, run_id = self._world, self._world.known, turn.run_id
        said = [world.says(session_id)]
        match end:
            case "answer":
                if world.chance.random() < 0.2:
                    said = [*said, *self._calls(session_id)[0]]
                if world.chance.random() < 0.5 and (results := self._results(turn, session_id)):
                    said = [*results, *said]
                    known.fail(session_id, run_id)  # where one from outside came first
                known.offer(session_id, run_id, "end", said)
                result = {"n": known.number(), "messages": [{"role": "nobody"}]}  # none of ours
                return TurnResult(messages=said, terminal=Completed(result))
            case "say":
                text = f"said {known.number()}"
                known.offer(
                    session_id,
                    run_id,
                    "end",
                    [known.give(session_id, {"role": "assistant", "content": text})],
                )
                return text
            case "nothing to do":
                known.offer(session_id, run_id, "end", [])
                return TurnResult(terminal=NoPendingBoundary())
            case "nothing to say":
                known.offer(session_id, run_id, "end", [])
                return None
            case "call back":
                made, (call_id, *_) = self._calls(session_id, share=0.0)
                known.offer(session_id, run_id, "end", made)
                return TurnResult(
                    messages=made, terminal=CallbackPending("look", "{}", call_id=call_id)
                )
            case "hang":
                await asyncio.sleep(world.chance.choice((0.5, 5.0, 60.0)))
            case "wait to be asked to end":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(turn.scope.wait(), 3.0)
                await self._lands(turn, session_id)
            case "ignore its cancellation":
                for _ in range(world.chance.randint(1, 4)):
                    try:
                        await asyncio.sleep(world.chance.choice((0.01, 0.2, 2.0)))
                    except asyncio.CancelledError:
                        world.seen["a cancellation was ignored"] += 1
                await self._lands(turn, session_id)
            case _:
                known.fail(session_id, run_id)
                return self._goes_wrong(end)
        known.offer(session_id, run_id, "end", said)
        return said

    def _goes_wrong(self, end: str) -> Any:
        match end:
            case "fail":
                kinds: tuple[FailureKind, ...] = ("rejected", "context", "turn", "hook_denied")
                kind = self._world.chance.choice(kinds)
                raise AgentFailure("it did not work", kind=kind, recoverable=True)
            case "break":
                raise RuntimeError("a bug in the agent")
            case "stop itself":
                raise asyncio.CancelledError
            case "return nonsense":
                return 42
            case _:
                return [{"role": "assistant", "content": float("nan")}]


class Polite:
    """An agent that only ever answers."""

    name = "polite"

    def __init__(self, world: World) -> None:
        self._world: Final = world

    async def run_turn(self, turn: Turn) -> Any:
        said = [self._world.says(turn.session.id)]
        self._world.known.offer(turn.session.id, turn.run_id, "end", said)
        return said
