"""The verbs over work in hand: tool calls, filters, what is published, and the control plane.

Invariants: nothing is made up for a tool call: it is answered from outside, or given up by a
recorded decision.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from perdure.aggregates import (
    AbandonCall,
    Destroy,
    Publish,
    Recover,
    Register,
    Retire,
    Session,
    StageToolFilter,
    StageToolResults,
    Stop,
    encode_messages,
)
from perdure.aggregates.session.work import calls_in_doubt
from perdure.errors import InvalidArgument, SessionBusy, StaleWriter, StoreError
from perdure.machines import SESSION
from perdure.projections.catalog import SessionView, view_of
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import encoded_json, optional_text
from perdure.runtime.cancellation import followed
from perdure.runtime.control import Control, WorkEnd
from perdure.runtime.session.commit import Written
from perdure.runtime.turn.live_turn import open_calls_of
from perdure.runtime.verbs.groups import Grouping
from perdure.runtime.verbs.sessions import known
from perdure.values import OpenCall, checked_id

OpenCalls = list[OpenCall]


class Working(Grouping):
    """The side of an engine that looks after the work in hand."""

    @property
    def control(self) -> Control:
        """The control plane: what a runtime asks of sessions, answered with reports."""
        return Control(
            self,
            now=self._now,
            read=self._looked_after,
            is_ownerless=self._is_ownerless,
            retire=self._registered_and_retired,
            close_work=self._close_work,
        )

    async def read(self, session_id: str) -> SessionView:
        """Return the session as it is now, whatever its phase.

        A run whose owner is gone is closed first, as whenever such a session is touched (G9).
        Where that cannot be written (the engine is read-only, the database locked) the view is of
        what is recorded, and its ``ownerless`` is True. Raises SessionNotFound.
        """
        view = await super().read(session_id)
        if not view.ownerless:
            return view
        await self._looked_after(session_id)
        return await super().read(session_id)

    # Tool calls

    async def open_calls(self, session_id: str) -> OpenCalls:
        """Return the tool calls that have no result in the conversation yet, oldest first.

        Raises SessionNotFound.
        """
        self._check_open()
        return open_calls_of(await self._looked_after(session_id))

    async def stage_tool_results(
        self, session_id: str, messages: Iterable[Mapping[str, Any]]
    ) -> OpenCalls:
        """Keep the results of open tool calls for the next turn, which will begin with them.

        ``messages`` are in the provider's own shape; each must answer open calls. The same results
        again change nothing. Returns the calls that are open, as `open_calls` does. Raises
        SessionNotFound, InvalidMessage, CallNotOpen, Conflict for a call with another result
        staged, IllegalTransition, StaleWriter.
        """
        self._check_open()
        command = StageToolResults(now=self._now(), messages=encode_messages(messages))
        written = await self._write(session_id, command)
        return open_calls_of(written.folded.state)

    async def abandon_call(
        self, session_id: str, call_id: str, *, reason: str | None = None
    ) -> OpenCalls:
        """Decide, on the record, that an open tool call will have no result.

        Returns the calls that are still open. Raises SessionNotFound, InvalidArgument,
        CallNotOpen, Conflict for a call whose result is staged, IllegalTransition for a session
        that has ended, StaleWriter.
        """
        self._check_open()
        if not isinstance(call_id, str):
            raise InvalidArgument("call_id must be text", parameter="call_id")
        given = str.__str__(call_id)  # of whatever form the provider gave it
        command = AbandonCall(now=self._now(), call_id=given, reason=optional_text(reason))
        written = await self._write(session_id, command)
        return open_calls_of(written.folded.state)

    # Notes

    async def stage_tool_filter(self, session_id: str, tool_filter: Any) -> SessionView:
        """Filter the agent's tools like this from the next boundary on; any JSON value.

        For a turn that runs that is the next one that it lands; else the next turn's beginning.

        Recorded as a fact; one staged later takes its place. Raises SessionNotFound,
        InvalidMessage, IllegalTransition for a session that has ended, StaleWriter.
        """
        self._check_open()
        command = StageToolFilter(now=self._now(), filter=encoded_json(tool_filter, "tool_filter"))
        return view_of((await self._write(session_id, command)).folded.state)

    async def publish(self, session_id: str, name: str, payload: Any = None) -> SessionView:
        """Record something for the session's subscribers to learn, once and in order.

        ``payload`` is any JSON value. Raises SessionNotFound, InvalidArgument, InvalidMessage,
        IllegalTransition for a session that has ended, StaleWriter.
        """
        self._check_open()
        command = Publish(
            now=self._now(),
            name=checked_id(name, "name"),
            payload=encoded_json(payload, "payload"),
        )
        return view_of((await self._write(session_id, command)).folded.state)

    async def load_persisted(self, session_id: str) -> SessionView | None:
        """Return the session if it may still go on, None where it was archived or destroyed.

        So "it has ended" is never mistaken for "there is none", which raises SessionNotFound.
        """
        view = await self.read(session_id)
        return None if view.phase in SESSION.final else view

    # What the control plane is made of

    async def _close_work(self, session_id: str, command: WorkEnd) -> tuple[Session, Written]:
        """Record the command; return the state it was decided on, and what was written."""
        self._check_open()
        live = self._live.get(checked_id(session_id, "session_id"))

        async def work(folded: Folded) -> tuple[Session, Written]:
            folded = known(folded)
            if isinstance(command, Recover):
                await self._check_ownerless(folded.state)
            else:
                folded = await self._attended(live, folded)
            return folded.state, await self._writer.commit(live, folded, command)

        def effects(closed: tuple[Session, Written]) -> None:
            before, written = closed
            if before.work.run is not None and written.folded.state.work.run is None:
                self._run_closed(session_id)
            if isinstance(command, Stop):
                self._executor_gone(session_id)
            if isinstance(command, Destroy):
                self._session_over(session_id)

        return await followed(lambda: self._writer.alone(live, work), effects)

    def _executor_gone(self, session_id: str) -> None:
        """Bind the session's agent no more, if this engine binds one."""

    def _run_closed(self, session_id: str) -> None:
        """Stop the agent of a run that was closed from outside, if this engine runs it."""

    async def _looked_after(self, session_id: str) -> Session:
        """Return the session's state, a run whose owner is gone closed first if that may be.

        It may not where the engine is read-only or the database locked, or where others write to
        the session meanwhile: then the state is what they made of it.
        """
        self._check_open()
        if self._store.recorder.readonly:
            return await self._looked_at(session_id)
        live = self._live.get(checked_id(session_id, "session_id"))

        async def work(folded: Folded) -> Session:
            return (await self._attended(live, known(folded))).state

        await self._live.read(session_id)
        try:
            return await self._writer.alone(live, work)
        except (StaleWriter, StoreError):
            return await self._looked_at(session_id)

    async def _looked_at(self, session_id: str) -> Session:
        """Return the session's state as it is recorded, a lost run's calls in doubt (G9)."""
        state = (await self._live.read(checked_id(session_id, "session_id"))).state
        work = state.work
        if work.run is None or not await self._is_ownerless(state.id, work.run.epoch):
            return state
        in_doubt = msgspec.structs.replace(work, calls=calls_in_doubt(work))
        return msgspec.structs.replace(state, work=in_doubt)

    async def _check_ownerless(self, state: Session) -> None:
        """Refuse to recover a run that somebody still drives."""
        run = state.work.run
        if run is not None and not await self._is_ownerless(state.id, run.epoch):
            raise SessionBusy(state.id)

    async def _registered_and_retired(self, session_id: str, reason: str | None) -> Session:
        """Retire the session, in the commit that registers it if nothing has."""
        self._check_open()
        live = self._live.get(checked_id(session_id, "session_id"))
        retire = Retire(now=self._now(), reason=reason)

        async def work(folded: Folded) -> Written:
            if not folded.state.version:
                register = Register(now=retire.now)
                return await self._writer.commit(live, folded, register, retire)
            folded = await self._attended(live, folded)
            return await self._writer.commit(live, folded, retire)

        return (await self._writer.alone(live, work)).folded.state
