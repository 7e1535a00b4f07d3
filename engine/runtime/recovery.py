"""Recovery: close runs whose owner is gone, and forget sessions that have ended.

Invariants: a run that an engine still drives is never closed here; a closed run keeps the
boundaries that it landed; if nothing can be written, a lost run is shown as it will be closed.
"""

import msgspec

from perdure.aggregates import Recover, Session
from perdure.aggregates.session.work import calls_in_doubt
from perdure.errors import SessionBusy, StaleWriter, StoreError
from perdure.machines import SESSION
from perdure.projections.snapshots import Folded
from perdure.runtime.core import Core, known
from perdure.runtime.session.cache import CachedSession
from perdure.values import checked_id


async def close_lost_run(core: Core, cached: CachedSession, folded: Folded) -> Folded:
    """Close the session's run if its owner is gone, and return the fold after that (G9).

    The run's boundaries stay, its other inputs are queued again, and the tool calls that it left
    open are unknown from here on. A session that is found to have ended is forgotten.
    """
    if folded.state.phase in SESSION.final:  # perhaps elsewhere
        forget_session(core, folded.state.id)
    run = folded.state.work.run
    if run is None or run.epoch == cached.living:
        return folded
    if not await core.is_ownerless(folded.state.id, run.epoch):
        cached.living = run.epoch
        return folded
    return (await core.writer.commit(cached, folded, Recover(now=core.now()))).folded


async def recover_and_read(core: Core, session_id: str) -> Session:
    """Close the session's run if its owner is gone, and return the session's state.

    If the engine is read-only, the database is locked, or other processes write to the session at
    the same time, nothing is closed here, and the state is the recorded one.
    """
    core.check_open()
    if core.store.recorder.readonly:
        return await read_recorded(core, session_id)
    cached = core.sessions.get(checked_id(session_id, "session_id"))

    async def work(folded: Folded) -> Session:
        return (await close_lost_run(core, cached, known(folded))).state

    await core.sessions.read(session_id)
    try:
        return await core.writer.run_alone(cached, work)
    except (StaleWriter, StoreError):
        return await read_recorded(core, session_id)


async def read_recorded(core: Core, session_id: str) -> Session:
    """Return the recorded state, in which the calls of a lost run are in doubt (G9)."""
    state = (await core.sessions.read(checked_id(session_id, "session_id"))).state
    work = state.work
    if state.phase in SESSION.final:  # perhaps elsewhere
        forget_session(core, state.id)
    if work.run is None or not await core.is_ownerless(state.id, work.run.epoch):
        return state
    in_doubt = msgspec.structs.replace(work, calls=calls_in_doubt(work))
    return msgspec.structs.replace(state, work=in_doubt)


async def check_ownerless(core: Core, state: Session) -> None:
    """Raise SessionBusy where an engine still drives the session's run."""
    run = state.work.run
    if run is not None and not await core.is_ownerless(state.id, run.epoch):
        raise SessionBusy(state.id, run.id)


def forget_session(core: Core, session_id: str) -> None:
    """Drop everything that is kept in memory for a session that has ended."""
    core.sessions.discard(session_id)
    core.checkpointers.close(session_id)
    unbind_agent(core, session_id)
    core.machine_owned.discard(session_id)


def unbind_agent(core: Core, session_id: str) -> None:
    """Bind the session's agent no more, if this engine binds one."""
    core.agents.pop(session_id, None)
