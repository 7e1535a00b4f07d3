"""The verbs over groups of sessions, called mobs: join, leave, and archive all at once.

Invariants: membership is recorded by each session for itself; archiving a group is one commit for
each member, and one that is refused stops no other.
"""

from typing import Literal, get_args

from perdure.aggregates import Archive, JoinMob, LeaveMob
from perdure.errors import InvalidArgument, PerdureError
from perdure.machines import SESSION
from perdure.projections.catalog import SessionView, view_of
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import optional_text
from perdure.runtime.cancellation import followed
from perdure.runtime.session.commit import Written
from perdure.runtime.verbs.forks import Forking
from perdure.runtime.verbs.sessions import known
from perdure.values import MobMember, checked_id

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
        that `archive` raises, and the others go on. One that has left by its turn is left alone,
        and out of the report; so is one that leaves while it is drained, but for being retired.
        Raises InvalidArgument, StoreError.
        """
        if pending not in get_args(Pending):
            raise InvalidArgument(
                f"pending is 'refuse', 'abandon' or 'drain', not {pending!r}", parameter="pending"
            )
        reason = optional_text(reason)
        mob = checked_id(mob, "mob")
        report: MobMembers = []
        for member in await self.list(mob=mob):
            name = member.id
            if member.phase in SESSION.final:
                report.append(MobMember(session_id=name, outcome="already_ended"))
                continue
            try:
                if await self._archived_from(mob, name, reason, pending):
                    report.append(MobMember(session_id=name, outcome="archived"))
            except PerdureError as error:
                refused = MobMember(
                    session_id=name, outcome="refused", code=error.code, message=str(error)
                )
                report.append(refused)
        return report

    async def _archived_from(
        self, mob: str, session_id: str, reason: str | None, pending: Pending
    ) -> bool:
        """Archive the session if it is still a member of the group, and return whether it was."""
        if pending == "drain":
            if not await self.belongs_to_mob(session_id, mob):
                return False
            await self._drain_session(session_id, reason)
        live = self._live.get(session_id)
        command = Archive(now=self._now(), reason=reason, abandon_inputs=pending == "abandon")

        async def work(folded: Folded) -> Written | None:
            folded = await self._attended(live, known(folded))
            if mob not in folded.state.mobs:
                self._live.check_current(live)
                return None
            return await self._writer.commit(live, folded, command)

        def over(written: Written | None) -> None:
            if written is not None:
                self._session_over(session_id)

        self._check_open()
        written = await followed(lambda: self._writer.alone(live, work), over)
        return written is not None
