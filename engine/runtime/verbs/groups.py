"""The verbs over groups of sessions, called mobs: join, leave, and archive all at once.

Invariants: membership is recorded by each session for itself; archiving a group is one commit for
each member, and one that is refused stops no other.
"""

from perdure.aggregates import JoinMob, LeaveMob
from perdure.errors import PerdureError
from perdure.machines import SESSION
from perdure.projections.catalog import SessionView, view_of
from perdure.runtime.arguments import PendingPolicy, checked_pending, optional_text
from perdure.runtime.core import Core
from perdure.runtime.verbs import reads, sessions
from perdure.runtime.write import write
from perdure.values import MobMember, checked_id

MobMembers = list[MobMember]


async def join_mob(core: Core, session_id: str, mob: str) -> SessionView:
    """Make the session a member of a group; a second time changes nothing.

    Raises SessionNotFound, InvalidArgument, IllegalTransition for a session that has ended,
    StaleWriter.
    """
    core.check_open()
    command = JoinMob(now=core.now(), mob=checked_id(mob, "mob"))
    return view_of((await write(core, session_id, command)).folded.state)


async def leave_mob(core: Core, session_id: str, mob: str) -> SessionView:
    """Make the session a member of the group no more; nothing if it was none.

    Raises as `join_mob` does.
    """
    core.check_open()
    command = LeaveMob(now=core.now(), mob=checked_id(mob, "mob"))
    return view_of((await write(core, session_id, command)).folded.state)


async def belongs_to_mob(core: Core, session_id: str, mob: str) -> bool:
    """Whether the session is a member of the group now. Raises SessionNotFound."""
    core.check_open()
    mob = checked_id(mob, "mob")
    return mob in (await reads.read(core, session_id)).mobs


async def archive_mob(
    core: Core,
    mob: str,
    *,
    reason: str | None = None,
    pending: PendingPolicy = "refuse",
) -> MobMembers:
    """Archive every member of the group; return what came of it, session by session.

    ``pending`` is as in `archive`. A member that cannot be archived is reported with the error
    that `archive` raises, and the others go on. One that has left by its turn is left alone,
    and out of the report; so is one that leaves while it is drained, but for being retired.
    Raises InvalidArgument, StoreError.
    """
    checked_pending(pending)
    reason = optional_text(reason)
    mob = checked_id(mob, "mob")
    report: MobMembers = []
    for member in await reads.list_sessions(core, mob=mob):
        name = member.id
        if member.phase in SESSION.final:
            report.append(MobMember(session_id=name, outcome="already_ended"))
            continue
        try:
            if await _archive_member(core, mob, name, reason, pending):
                report.append(MobMember(session_id=name, outcome="archived"))
        except PerdureError as error:
            refused = MobMember(
                session_id=name, outcome="refused", code=error.code, message=str(error)
            )
            report.append(refused)
    return report


async def _archive_member(
    core: Core, mob: str, session_id: str, reason: str | None, pending: PendingPolicy
) -> bool:
    """Archive the session if it is still a member of the group, and return whether it was."""
    state = await sessions.archive_session(
        core, session_id, reason=reason, pending=pending, mob=mob
    )
    return mob in state.mobs
