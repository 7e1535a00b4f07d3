"""The verbs over a session's life: register it, retire it, archive it.

Invariants: a session is archived by one commit, which retires it too if that is still to be done;
nothing is kept in memory for a session that has ended.
"""

from collections.abc import Mapping
from typing import Any

from perdure.aggregates import Archive, Register, Retire, Session
from perdure.aggregates.session.work import queued
from perdure.machines import SESSION
from perdure.projections.catalog import SessionView, view_of
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import (
    PendingPolicy,
    checked_labels,
    checked_metadata,
    checked_pending,
    optional_text,
)
from perdure.runtime.cancellation import finish_and_apply
from perdure.runtime.core import Core, known
from perdure.runtime.recovery import close_lost_run, forget_session, recover_and_read
from perdure.runtime.session.commit import Written
from perdure.runtime.verbs import loops
from perdure.runtime.write import write
from perdure.values import checked_id


async def register(
    core: Core,
    session_id: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> SessionView:
    """Make a session exist, under a new UUIDv7 or a given id (1 to 255 characters).

    ``labels`` are short texts to filter by, ``metadata`` any JSON object. Registering again changes
    nothing. Raises InvalidArgument, InvalidMessage (for metadata), Conflict if it is registered
    with other labels or metadata, IllegalTransition if it has ended.
    """
    name = core.new_or_checked(session_id, "session_id")
    command = Register(
        now=core.now(),
        labels=None if labels is None else checked_labels(labels),
        metadata=None if metadata is None else checked_metadata(metadata),
    )
    core.check_open()
    cached = core.sessions.get(name)
    written = await core.writer.run_alone(
        cached, lambda folded: core.writer.commit(cached, folded, command)
    )
    return view_of(written.folded.state)


async def retire(core: Core, session_id: str, *, reason: str | None = None) -> SessionView:
    """Let the session take no new input; a second time changes nothing.

    Queued input may still be run. Raises SessionNotFound, InvalidArgument, IllegalTransition if the
    session has ended, StaleWriter.
    """
    written = await write(core, session_id, Retire(now=core.now(), reason=optional_text(reason)))
    return view_of(written.folded.state)


async def archive(
    core: Core,
    session_id: str,
    *,
    reason: str | None = None,
    pending: PendingPolicy = "refuse",
) -> SessionView:
    """End the session for good. The same commit retires it first, if it is not retired yet.

    ``pending`` decides about input that is still queued:

    - "refuse": do not archive (IllegalTransition);
    - "abandon": give the input up in the same commit;
    - "drain": retire the session, run the queued input through its agent, then archive. Input whose
      turns all fail is abandoned. If a turn is interrupted, the draining ends and the session stays
      retired.

    Raises SessionNotFound, InvalidArgument, IllegalTransition if the session has ended, runs a turn
    or still has input queued, StaleWriter; with "drain" also the errors of `apply_turn`.
    """
    checked_pending(pending)
    return view_of(await archive_session(core, session_id, reason=reason, pending=pending))


async def archive_session(
    core: Core,
    session_id: str,
    *,
    reason: str | None,
    pending: PendingPolicy,
    mob: str | None = None,
) -> Session:
    """Archive the session, and return its state; see `archive` for ``pending``.

    With ``mob``, a session that is not a member of that mob is left as it is. A member that leaves
    while it is drained stays retired.
    """
    if pending == "drain":
        state = await recover_and_read(core, session_id)
        if mob is not None and mob not in state.mobs:
            return state
        if state.phase not in SESSION.final:  # else there is nothing to drain
            if queued(state.work):
                core.check_agent(session_id)
            await retire(core, session_id, reason=reason)
            await loops.drain(core, session_id)
    command = Archive(
        now=core.now(), reason=optional_text(reason), abandon_inputs=pending == "abandon"
    )

    async def commit() -> Written | Session:
        core.check_open()
        cached = core.sessions.get(checked_id(session_id, "session_id"))

        async def work(folded: Folded) -> Written | Session:
            folded = await close_lost_run(core, cached, known(folded))
            if mob is not None and mob not in folded.state.mobs:
                core.sessions.check_current(cached)
                return folded.state
            return await core.writer.commit(cached, folded, command)

        return await core.writer.run_alone(cached, work)

    def forget(written: Written | Session) -> None:
        if isinstance(written, Written):
            forget_session(core, session_id)

    written = await finish_and_apply(commit, forget)
    return written.folded.state if isinstance(written, Written) else written


async def discard_live(core: Core, session_id: str) -> bool:
    """Drop the cached state of the session; return whether there was one that was not in use.

    The log is not changed: the next verb loads the session again.
    """
    core.check_open()
    return core.sessions.discard(checked_id(session_id, "session_id"))
