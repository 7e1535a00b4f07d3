"""The verbs over runtime loops, and the turns that a loop runs on queued input.

Invariants: a loop records nothing of its own: it runs turns with `apply_turn`, as any caller does.
"""

import asyncio
from collections.abc import Sequence

from perdure.aggregates.session.work import queued, unknown_calls
from perdure.errors import IllegalTransition, InputNotQueued, SessionBusy
from perdure.machines import LIFECYCLE, SESSION
from perdure.projections.history import events_of_run
from perdure.runtime.core import Core
from perdure.runtime.recovery import recover_and_read
from perdure.runtime.verbs import turns
from perdure.runtime.watch.keep_alive import (
    BUSY_DELAY_SECONDS,
    LONGEST_RETRY_SECONDS,
    Backoff,
    Drained,
    ToDo,
)
from perdure.values import Cancelled, Failed, checked_id


async def keep_alive(core: Core, session_id: str) -> None:
    """Start a loop that runs the session's queued input through its agent, now and later.

    The loop ends with the session, once a retired session has no more input, by `stop_loop`, or
    with the engine. A failed turn is tried again after ``retry_seconds`` (see `Engine.open`), then
    after twice as long; after three failed turns their inputs are abandoned. A turn that fails
    recoverably behind a boundary, with no tool call unknown, is continued in the same way: by at
    most two further turns, which answer the messages that have landed. An interrupted turn is
    tried again once something new is recorded. Raises SessionNotFound, IllegalTransition for a
    session that has ended.
    """
    state = (await core.sessions.read(core.check_known(session_id))).state
    if state.phase in SESSION.final:
        raise IllegalTransition(
            machine=SESSION.name,
            subject=f"session {state.id!r}",
            verb="keep_alive",
            phase=state.phase,
            allowed=LIFECYCLE.allowed(state.lifecycle),
        )
    core.loops.start(state.id)


async def stop_loop(core: Core, session_id: str) -> bool:
    """Stop the session's loop, interrupting its turn; return whether there was one."""
    core.check_open()
    return await core.loops.stop(checked_id(session_id, "session_id"))


async def find_work(core: Core, session_id: str) -> ToDo | None:
    """Return the next work of the session's loop, None once the session takes no turns."""
    state = await recover_and_read(core, session_id)
    work, waiting = state.work, queued(state.work)
    if not waiting and "append_context" not in LIFECYCLE.allowed(state.lifecycle):
        return None
    answered = bool(work.results) and all(
        call.kept or call.status == "executed" for call in work.calls
    )
    busy = work.run is not None
    ready = not busy and (bool(waiting) or answered)
    return ToDo(state.version, waiting, ready=ready, busy=busy)


async def run_queued(core: Core, session_id: str, input_ids: Sequence[str]) -> Drained:
    """Run a turn that takes these inputs, and return how it ended."""
    run_id = core.environment.new_id()
    out = await turns.apply_turn(core, session_id, run_id=run_id, input_ids=input_ids)
    cancelled = isinstance(out.terminal, Cancelled)
    ended_at = await _find_end(core, session_id, run_id) if cancelled else 0
    retries = isinstance(out.terminal, Failed)
    if retries and input_ids:  # abandoned by now, perhaps: then later inputs need not wait
        waiting = queued((await core.sessions.read(session_id)).state.work)
        retries = not set(input_ids).isdisjoint(waiting)
    goes_on = (
        isinstance(out.terminal, Failed)
        and out.terminal.recoverable
        and out.receipt is not None
        and not unknown_calls((await core.sessions.read(session_id)).state.work)
    )
    return Drained(out.terminal, ended_at, retries, goes_on)


async def _find_end(core: Core, session_id: str, run_id: str) -> int:
    """Return the version at which the end of a run is recorded."""
    began_at = (await core.sessions.read(session_id)).state.runs[run_id]

    def found() -> int:
        recorder = core.store.recorder
        *_, end = events_of_run(recorder, core.mapper, session_id, run_id, began_at)
        return end.version

    return await asyncio.to_thread(found)


async def drain(core: Core, session_id: str) -> None:
    """Run the session's queued inputs, until none is left or a turn is interrupted."""
    failures = Backoff(core.retry_seconds, LONGEST_RETRY_SECONDS)
    while True:
        waiting = queued((await recover_and_read(core, session_id)).work)
        if core.loops.state(session_id) == "running":  # which drains it as well
            await asyncio.sleep(BUSY_DELAY_SECONDS)
            continue
        if not waiting:
            return
        try:
            drained = await run_queued(core, session_id, waiting)
        except (SessionBusy, InputNotQueued):
            if core.loops.state(session_id) != "running":
                raise
            continue
        if isinstance(drained.terminal, Cancelled):
            return
        if drained.retries:
            await failures.wait()
        else:
            failures.reset()
