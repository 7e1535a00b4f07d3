"""The verbs over groups of sessions, called mobs: join, leave, and archive all at once.

Invariants: membership is recorded by each session for itself; archiving a group is one commit for
each member, and one that is refused stops no other.
"""

from typing import Literal, get_args

from engine.aggregates import JoinMob, LeaveMob
from engine.errors import InvalidArgument, PerdureError
from engine.machines import SESSION
from engine.runtime.arguments import optional_text
from engine.runtime.forking import Forking
from engine.values import MobMember, checked_id
from projections.catalog import SessionView, view_of

MobMembers = list[MobMember]
Pending = Literal["refuse", "abandon", "drain"]
"""What to do about queued input; see `Engine.archive`."""


class Grouping(Forking):
    """What an engine does with groups."""

    async def join_mob(self, session_id: str, mob: str) -> SessionView:
        """Make the session a member of a group; a second time changes nothing.

        Raises SessionNotFound, InvalidArgument, IllegalTransition for a session that has ended,
        StaleWriter.
        """
        self._check_open()
        command = JoinMob(now=self._now(), mob=checked_id(mob, "mob"))
        return view_of((await self._write(session_id, command)).folded.state)

    async def leave_mob(self, session_id: str, mob: str) -> SessionView:
        """Make the session a member of the group no more; nothing if it was none.

        Raises as `join_mob` does.
        """
        self._check_open()
        command = LeaveMob(now=self._now(), mob=checked_id(mob, "mob"))
        return view_of((await self._write(session_id, command)).folded.state)

    async def belongs_to_mob(self, session_id: str, mob: str) -> bool:
        """Whether the session is a member of the group now. Raises SessionNotFound."""
        self._check_open()
        mob = checked_id(mob, "mob")
        return mob in (await self.read(session_id)).mobs

    async def archive_mob(
        self,
        mob: str,
        *,
        reason: str | None = None,
        pending: Pending = "refuse",
    ) -> MobMembers:
        """Archive every member of the group; return what came of it, session by session.

        ``pending`` is as in `archive`. A member that cannot be archived is reported with the error
        that `archive` raises, and the others go on. Raises InvalidArgument, StoreError.
        """
        if pending not in get_args(Pending):
            raise InvalidArgument(
                f"pending is 'refuse', 'abandon' or 'drain', not {pending!r}", parameter="pending"
            )
        reason = optional_text(reason)
        members = await self.list(mob=checked_id(mob, "mob"))
        return [await self._archived_member(one, reason, pending) for one in members]

    async def _archived_member(
        self, member: SessionView, reason: str | None, pending: Pending
    ) -> MobMember:
        if member.phase in SESSION.final:
            return MobMember(session_id=member.id, outcome="already_ended")
        try:
            await self.archive(member.id, reason=reason, pending=pending)
        except PerdureError as error:
            return MobMember(
                session_id=member.id, outcome="refused", code=error.code, message=str(error)
            )
        return MobMember(session_id=member.id, outcome="archived")
