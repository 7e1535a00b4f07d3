"""Asking for the ends of turns: as a caller, as the machine that owns a session, and as a forger.

Invariants: a caller without the token never ends a turn of the machine; a refused request writes
nothing.
"""

import gc
import weakref
from collections.abc import Awaitable
from typing import Any, Final

from perdure import (
    AuthorityRequired,
    IllegalTransition,
    PerdureError,
    SessionNotFound,
    SessionNotRunning,
    StaleWriter,
)
from perdure.machines import LIFECYCLE, Token

from .agents import Agent
from .calls import Call

_FINAL: Final = ("archived", "destroyed")


async def interrupt(call: Call) -> None:
    _as_a_caller(call)
    await _asked_to_end(call, call.engine.interrupt(call.id, reason="a test"))


async def cancel_after_boundary(call: Call) -> None:
    _as_a_caller(call)
    await _asked_to_end(call, call.engine.cancel_after_boundary(call.id))


def _as_a_caller(call: Call) -> None:
    """Note that a caller asks for the end of a turn, unless it is not the caller's to ask for."""
    if call.id not in call.site.owned:
        call.asking("caller")
    elif call.log.phase not in _FINAL:
        call.certain = (AuthorityRequired,)
        call.refused_for_certain = True


async def _asked_to_end(call: Call, asking: Awaitable[None]) -> None:
    current = call.log.current
    await asking
    if current is not None and not call.world.failing:
        run = call.log.runs[current]
        call.must(run.ended or run.asked_to_end, "G2", f"{current} was asked to end")


async def cancel_a_caller(call: Call) -> None:
    mine = [one for one in call.world.operations if one.site is call.site and one is not call]
    if mine:
        other = call.chance.choice(mine)
        call.world.seen["a caller was cancelled"] += 1
        other.asking("owner")
        other.task.cancel()


# The machine


async def _adapter_of(call: Call) -> Any:
    """Return the engine's adapter, which the process holds from here on."""
    adapter, site = await call.engine.runtime_adapter(), call.site
    if site.adapter is None:
        site.adapter = adapter
        weakref.finalize(adapter, site.owned.clear)
    call.must(site.adapter is adapter, "G5", "an engine has two adapters")
    return adapter


async def take_control(call: Call) -> None:
    adapter, site = await _adapter_of(call), call.site
    agent = Agent(call.world, site) if call.often(0.6) else None
    keeps = bool(call.before) and call.often(0.1)
    if keeps:
        call.world.known.kept_alive.add(call.id)
        call.world.enter(site.process, call.id)
    site.controlling += 1
    try:
        await adapter.take(call.id, agent, keep_alive=keeps)
    finally:
        site.controlling -= 1
    site.owned.add(call.id)
    call.world.known.taken.add((site.process.name, call.id))


async def give_back(call: Call) -> None:
    adapter = await _adapter_of(call)
    await adapter.give_back(call.id)
    call.site.owned.discard(call.id)


async def release_the_adapter(call: Call) -> None:
    """Let go of the adapter: callers may end its sessions' turns again, but older runs."""
    site = call.site
    taken = sorted(site.owned)
    if site.controlling or not taken:
        return
    site.adapter = None
    gc.collect()  # a refusal's traceback may hold the adapter, which counts for nothing
    call.must(not site.owned, "G5", "an adapter that nobody holds still owns sessions")
    call.world.seen["an adapter was released"] += 1
    name = call.chance.choice(taken)
    call.asking("caller", name)
    call.world.start(site.process, name)
    try:
        await call.engine.cancel_after_boundary(name)
    except AuthorityRequired as refusal:
        log = call.world.log(name)
        theirs = any(run.machine_owned for run in log.runs.values()) or name in site.owned
        call.must(theirs, "G5", f"nobody holds the adapter any more: {refusal}")
    except PerdureError:
        pass  # as any caller may be refused
    finally:
        if site.process.alive:
            call.world.leave(site.process, name)


async def interrupt_as_the_machine(call: Call) -> None:
    """Ask with the token, in one of the ways there are."""
    adapter, site = await _adapter_of(call), call.site
    call.asking("machine")
    ways = (
        lambda: adapter.interrupt(call.id, reason="the machine says so"),
        lambda: adapter.cancel_after_boundary(call.id),
        lambda: call.engine.interrupt(call.id, authority=adapter.authority),
        lambda: call.engine.cancel_after_boundary(call.id, authority=adapter.authority),
    )
    site.controlling += 1
    try:
        await _asked_to_end(call, call.chance.choice(ways)())
    finally:
        site.controlling -= 1


async def interrupt_with_a_forged_token(call: Call) -> None:
    """Ask with a token that is not the engine's: made up, the law's own, or another engine's."""
    others = [one for one in call.world.sites if one is not call.site and one.adapter is not None]
    tokens = [Token(), LIFECYCLE.token, object(), *(one.adapter.authority for one in others)]
    token: Any = call.chance.choice(tokens)
    call.certain = (AuthorityRequired,)
    call.refused_for_certain = True
    if call.often(0.5):
        await call.engine.interrupt(call.id, authority=token)
    else:
        await call.engine.cancel_after_boundary(call.id, authority=token)


ENDING: Final = (
    SessionNotFound,
    IllegalTransition,
    StaleWriter,
    SessionNotRunning,
    AuthorityRequired,
)
