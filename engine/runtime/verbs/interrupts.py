"""The verbs that end running turns: at once, or after their next boundary.

Invariants: a turn of this engine is ended at once; a turn of another engine by a recorded request,
which its engine notices. If a session belongs to the machine, or a turn began while it did, only
the holder of this engine's token may end the turn.
"""

import asyncio
import contextlib
from typing import Final, Literal

from perdure.aggregates import RequestInterrupt
from perdure.errors import AuthorityRequired, PerdureError, SessionNotRunning
from perdure.machines import Token
from perdure.runtime.arguments import optional_id, optional_text
from perdure.runtime.core import Core
from perdure.runtime.turn.running_turn import RunningTurn
from perdure.runtime.write import write
from perdure.values import checked_id

WATCH_SECONDS: Final = 0.1
"""How soon a turn notices that another process asked for its end."""


async def interrupt(
    core: Core,
    session_id: str,
    *,
    run_id: str | None = None,
    reason: str | None = None,
    authority: Token | None = None,
) -> None:
    """End the session's turn now, and return once its end is recorded.

    ``run_id`` names the run that is to end: a stop that comes after its end does not end the next
    one. ``reason`` is recorded. A turn that another engine runs is asked to end, on the record; it
    notices within a moment, which is not waited for. What the turn had landed stays. Raises
    SessionNotFound, SessionNotRunning where no turn runs, or not that run's, AuthorityRequired for
    a session whose control belongs to the machine.
    """
    asked = _request(core, "interrupt", run_id, reason, authority)
    turn = controlled_turn(core, session_id, authority)
    starting = core.sessions.get(session_id).starting
    if turn is None and starting is not None:
        await starting.wait()
        turn = controlled_turn(core, session_id, authority)
    if turn is None:
        await _ask_to_end(core, session_id, asked)
        return
    if asked.run_id not in (None, turn.run_id):
        raise SessionNotRunning(session_id, asked.run_id, current=turn.run_id)
    core.admission.note_interrupt_request(session_id)
    in_time = not turn.over
    turn.interrupt(asked.reason)
    await turn.wait_until_ended()
    if not in_time or turn.terminal is None:
        # It was over before, or its run was closed: another engine's turn may run.
        with contextlib.suppress(SessionNotRunning):
            await _ask_to_end(core, session_id, asked)


async def cancel_after_boundary(
    core: Core,
    session_id: str,
    *,
    run_id: str | None = None,
    reason: str | None = None,
    authority: Token | None = None,
) -> None:
    """Request the end of the session's turn after its next boundary.

    Recorded, and noticed wherever the turn runs. Parameters and errors are those of `interrupt`.
    """
    asked = _request(core, "cancel_after_boundary", run_id, reason, authority)
    turn = controlled_turn(core, session_id, authority)
    ended = await _ask_to_end(core, session_id, asked)
    if turn is not None and turn.run_id == ended:
        turn.scope.request(asked.reason)


# Steps of the verbs


def controlled_turn(core: Core, session_id: str, authority: Token | None) -> RunningTurn | None:
    """Return the turn of the session that this engine runs, None if it runs none.

    Raises AuthorityRequired unless the caller may end it.
    """
    core.check_open()
    name = checked_id(session_id, "session_id")
    turn = core.turns.get(name)
    owned = name in core.machine_owned or (turn is not None and turn.machine_owned)
    if authority is not None and authority is not core.authority:
        raise AuthorityRequired(
            "the authority given is not the token of this engine's runtime adapter",
            session_id=name,
        )
    if authority is None and owned:
        raise AuthorityRequired(
            f"the control of session {name!r} belongs to the machine: its token is needed",
            session_id=name,
        )
    return turn


def _request(
    core: Core,
    mode: Literal["interrupt", "cancel_after_boundary"],
    run_id: str | None,
    reason: str | None,
    authority: Token | None,
) -> RequestInterrupt:
    return RequestInterrupt(
        now=core.now(),
        mode=mode,
        by="caller" if authority is None else "authority",
        run_id=optional_id(run_id, "run_id"),
        reason=optional_text(reason),
    )


async def _ask_to_end(core: Core, session_id: str, asked: RequestInterrupt) -> str:
    """Record the request, and return the run that it asks to end."""
    run = (await write(core, session_id, asked)).folded.state.work.run
    if run is None:
        raise SessionNotRunning(session_id, asked.run_id)
    return run.id


def watch_turns(core: Core) -> None:
    """Start the task that watches running turns, unless it runs already."""
    if core.turn_watch is None or core.turn_watch.done():
        core.turn_watch = asyncio.create_task(_watch_turns(core))


async def _watch_turns(core: Core) -> None:
    """Apply the requests of other processes to the turns of this engine, until none runs."""
    while core.turns:
        await asyncio.sleep(WATCH_SECONDS)
        for session_id, turn in list(core.turns.items()):
            cached = core.sessions.get(session_id)
            if not cached.lock.locked():  # else a writer of this engine is catching up
                with contextlib.suppress(PerdureError):  # the turn meets the same error
                    if not core.sessions.is_current(cached):
                        await core.sessions.read(session_id)
            run = cached.folded.state.work.run
            if run is None or run.id != turn.run_id:
                turn.interrupt("another engine closed the run")
            elif run.interrupt == "interrupt":
                turn.interrupt(run.interrupt_reason or "asked from elsewhere")
            elif run.interrupt is not None:
                turn.scope.request(run.interrupt_reason)


def stop_closed_turn(core: Core, session_id: str) -> None:
    """Stop the agent of a run that was closed from outside, if it runs here."""
    turn = core.turns.get(session_id)
    if turn is not None:
        turn.closed = True
        turn.interrupt()
