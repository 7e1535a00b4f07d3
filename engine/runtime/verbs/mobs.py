"""The verbs over mobs, which are named groups of sessions: join, leave, archive all members.

Invariants: each session records its own membership; archiving a mob is one commit for each member,
and the refusal of one member does not stop the others.
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
    """Make the session a member of a mob; a second time changes nothing.

    A mob is a named group of sessions. It needs no registration: it exists while a session is a
    member. Raises SessionNotFound, InvalidArgument, IllegalTransition if the session has ended,
    StaleWriter.
    """
    core.check_open()
    command = JoinMob(now=core.now(), mob=checked_id(mob, "mob"))
    return view_of((await write(core, session_id, command)).folded.state)


async def leave_mob(core: Core, session_id: str, mob: str) -> SessionView:
    """End the session's membership of a mob; changes nothing if it is not a member.

    Raises as `join_mob` does.
    """
    core.check_open()
    command = LeaveMob(now=core.now(), mob=checked_id(mob, "mob"))
    return view_of((await write(core, session_id, command)).folded.state)


async def belongs_to_mob(core: Core, session_id: str, mob: str) -> bool:
    """Return whether the session is a member of the mob now. Raises SessionNotFound."""
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
    """Archive every member of the mob, and return one report for each member.

    ``pending`` means the same as in `archive`. If a member cannot be archived, its report has the
    error that `archive` would raise, and the other members are archived. A member that has left
    before its turn comes is left as it is and not reported; one that leaves while it is drained
    stays retired and is not reported. Raises InvalidArgument, StoreError.
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
    """Archive the session if it is still a member, and return whether it was."""
    state = await sessions.archive_session(
        core, session_id, reason=reason, pending=pending, mob=mob
    )
    return mob in state.mobs
