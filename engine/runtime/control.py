"""The control plane: verbs of a runtime over its sessions, each of which returns a report.

Invariants: there is no second way to a session; each verb here is one commit through the engine.
"""

from typing import Any, Final

import msgspec

from perdure.aggregates import Destroy, Recover, Recycle, Register, Reset, Retire, Session, Stop
from perdure.aggregates.session.recorded import Lane
from perdure.aggregates.session.work import in_phase, queued, staged_inputs, unknown_calls
from perdure.machines import LIFECYCLE
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import Content, optional_text
from perdure.runtime.cancellation import finish_and_apply
from perdure.runtime.core import Core, known
from perdure.runtime.recovery import (
    check_ownerless,
    close_lost_run,
    forget_session,
    read_recorded,
    unbind_agent,
)
from perdure.runtime.session.commit import Written
from perdure.runtime.turn.open_calls import open_calls_of
from perdure.runtime.verbs import calls, inputs, interrupts, reads
from perdure.values import (
    DestroyReport,
    IngestOutput,
    Receipt,
    RecoverReport,
    RecycleReport,
    ResetReport,
    RetireReport,
    RuntimeState,
    StopReport,
    checked_id,
)

WorkEnd = Stop | Recover | Reset | Recycle | Destroy


class Control:
    """One engine's control plane; have it as ``engine.control``."""

    def __init__(self, core: Core) -> None:
        self._core: Final = core

    async def ingest(
        self,
        session_id: str,
        content: Content,
        *,
        lane: Lane = "queue",
        input_id: str | None = None,
        idempotency_key: str | None = None,
        source: str | None = None,
    ) -> IngestOutput:
        """Accept an input and keep it until a run takes it; see `Engine.ingest`."""
        return await inputs.ingest(
            self._core,
            session_id,
            content,
            lane=lane,
            input_id=input_id,
            idempotency_key=idempotency_key,
            source=source,
        )

    async def retire(self, session_id: str, *, reason: str | None = None) -> RetireReport:
        """Let the session take no new input; queued input still drains.

        A session that was never registered is registered and retired in one commit. Raises
        InvalidArgument, IllegalTransition for a session that has ended, StaleWriter.
        """
        state = await _register_and_retire(self._core, session_id, optional_text(reason))
        return RetireReport(abandoned=(), pending_drain=in_phase(state.work, "queued", "staged"))

    async def stop(self, session_id: str, *, reason: str | None = None) -> StopReport:
        """Take the executor away. A running turn is interrupted and gives its inputs back.

        Attaching an agent revives the session. Raises SessionNotFound, InvalidArgument,
        IllegalTransition if it is stopped already or has ended, StaleWriter.
        """
        before, written = await _close_work(
            self._core, session_id, Stop(now=self._core.now(), reason=optional_text(reason))
        )
        requeued, abandoned = _given_back(before, written.folded.state)
        run = before.work.run
        return StopReport(
            run_id=None if run is None else run.id, requeued=requeued, abandoned=abandoned
        )

    async def recycle(self, session_id: str) -> RecycleReport:
        """Start the session over with its pending input, also a retired or stopped session.

        Raises SessionNotFound, IllegalTransition while a turn runs or if the session has ended,
        StaleWriter.
        """
        before, _ = await _close_work(self._core, session_id, Recycle(now=self._core.now()))
        return RecycleReport(transferred=queued(before.work))

    async def reset(self, session_id: str) -> ResetReport:
        """Start the session over without its pending input; its conversation stays.

        Raises as `recycle` does.
        """
        before, _ = await _close_work(self._core, session_id, Reset(now=self._core.now()))
        return ResetReport(abandoned=queued(before.work))

    async def recover(self, session_id: str) -> RecoverReport:
        """Close a run whose owner is gone; do nothing if there is none.

        Every verb that writes does this by itself when it meets such a run. Raises SessionNotFound,
        SessionBusy while the run's owner lives, IllegalTransition for a session that has ended,
        StaleWriter.
        """
        before, written = await _close_work(self._core, session_id, Recover(now=self._core.now()))
        run, after = before.work.run, written.folded.state
        if run is None:
            return RecoverReport(run_id=None, recovered=(), abandoned=(), requeued=(), details=())
        requeued, abandoned = _given_back(before, after)
        recovered = in_phase(before.work, "applied")
        stories = (
            (recovered, "is in a receipt that the run left, and counts as consumed"),
            (requeued, "is in no receipt, and is queued again"),
            (abandoned, "was staged too often, and is abandoned"),
        )
        return RecoverReport(
            run_id=run.id,
            recovered=recovered,
            abandoned=abandoned,
            requeued=requeued,
            details=(
                f"run {run.id!r} is interrupted: its owner is gone",
                *(f"input {name!r} {story}" for names, story in stories for name in names),
                *(f"tool call {name!r} is unknown" for name in unknown_calls(after.work)),
            ),
        )

    async def destroy(self, session_id: str, *, reason: str | None = None) -> DestroyReport:
        """End the session in any phase without archiving it; its log stays.

        Raises SessionNotFound, InvalidArgument, IllegalTransition if it has ended, StaleWriter.
        """
        before, _ = await _close_work(
            self._core, session_id, Destroy(now=self._core.now(), reason=optional_text(reason))
        )
        return DestroyReport(abandoned=in_phase(before.work, "queued", "staged"))

    async def runtime_state(self, session_id: str) -> RuntimeState:
        """Return the session's work in hand. Raises SessionNotFound."""
        self._core.check_open()
        state = await read_recorded(self._core, session_id)
        work = state.work
        return RuntimeState(
            session_id=state.id,
            phase=state.phase,
            version=state.version,
            current_run=None if work.run is None else work.run.id,
            ownerless=work.run is not None
            and await self._core.is_ownerless(state.id, work.run.epoch),
            cancel_requested=bool(LIFECYCLE.value(state.lifecycle, "cancel_requested")),
            queued=queued(work),
            staged=staged_inputs(work),
            open_calls=open_calls_of(state),
            staged_context=len(state.staged_context),
            staged_results=len(work.results),
            tool_filter=_decoded(work.filter),
            next_tool_filter=_decoded(work.next_filter),
            mobs=state.mobs,
        )

    async def load_boundary_receipt(
        self, session_id: str, run_id: str, sequence: int = 1
    ) -> Receipt:
        """Return one receipt; see `Engine.load_receipt`."""
        return await reads.load_receipt(self._core, session_id, run_id, sequence)

    async def publish_event(self, session_id: str, name: str, payload: Any = None) -> None:
        """Record an event for the session's subscribers; see `Engine.publish`."""
        await calls.publish(self._core, session_id, name, payload)


def _given_back(before: Session, after: Session) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the inputs that an interrupted run gave back, and those that it abandoned."""
    taken = staged_inputs(before.work)
    kept = after.work.inputs
    return tuple(i for i in taken if i in kept), tuple(i for i in taken if i not in kept)


def _decoded(recorded: msgspec.Raw | None) -> Any:
    return None if recorded is None else msgspec.json.decode(recorded)


async def _close_work(core: Core, session_id: str, command: WorkEnd) -> tuple[Session, Written]:
    """Commit the command; return the state that it was decided on, and the commit."""
    core.check_open()
    cached = core.sessions.get(checked_id(session_id, "session_id"))

    async def work(folded: Folded) -> tuple[Session, Written]:
        folded = known(folded)
        if isinstance(command, Recover):
            await check_ownerless(core, folded.state)
        else:
            folded = await close_lost_run(core, cached, folded)
        return folded.state, await core.writer.commit(cached, folded, command)

    def effects(closed: tuple[Session, Written]) -> None:
        before, written = closed
        if before.work.run is not None and written.folded.state.work.run is None:
            interrupts.stop_closed_turn(core, session_id)
        if isinstance(command, Stop):
            unbind_agent(core, session_id)
        if isinstance(command, Destroy):
            forget_session(core, session_id)

    return await finish_and_apply(lambda: core.writer.run_alone(cached, work), effects)


async def _register_and_retire(core: Core, session_id: str, reason: str | None) -> Session:
    """Retire the session, in the commit that registers it if it is not registered."""
    core.check_open()
    cached = core.sessions.get(checked_id(session_id, "session_id"))
    retire = Retire(now=core.now(), reason=reason)

    async def work(folded: Folded) -> Written:
        if not folded.state.version:
            register = Register(now=retire.now)
            return await core.writer.commit(cached, folded, register, retire)
        folded = await close_lost_run(core, cached, folded)
        return await core.writer.commit(cached, folded, retire)

    return (await core.writer.run_alone(cached, work)).folded.state
