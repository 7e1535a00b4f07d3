"""One turn that the engine drives: its run begun, its agent run, its end recorded.

Invariants: the engine that began a run ends it on every way out that the process survives:
returned, raised, interrupted, the waiting caller cancelled. An agent's messages reach the log only
through a boundary or its result. An agent that ignores its cancellation is left behind after a
grace period, and its later boundaries are refused as stale.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from perdure.aggregates import (
    ApplyBoundary,
    BeginRun,
    BoundaryApplied,
    CancelRun,
    CompleteRun,
    FailRun,
    Session,
    SessionCommand,
    encode_messages,
)
from perdure.aggregates.session.messages import (
    NO_MESSAGES,
    EncodedMessages,
    decode_messages,
    encode_object,
)
from perdure.aggregates.session.prompt import presentable
from perdure.aggregates.session.work import calls_held_open, staged_inputs
from perdure.projections.catalog import SessionView, view_of
from perdure.projections.history import receipt_in
from perdure.runtime.arguments import checked_usage
from perdure.runtime.cancellation import finish, result_of
from perdure.runtime.session.commit import Written
from perdure.runtime.turn.agent import (
    Agent,
    AgentFailure,
    CancelScope,
    LandedBoundary,
    Message,
    TurnInput,
    TurnResult,
    answer_of,
    as_result,
)
from perdure.runtime.turn.failures import failed_as, not_recorded, plain, said
from perdure.runtime.turn.open_calls import open_calls_of
from perdure.values import (
    CallbackPending,
    Cancelled,
    Completed,
    Failed,
    NoPendingBoundary,
    Terminal,
    Usage,
)

_LOGGER: Final = logging.getLogger("perdure")

Commit = Callable[[SessionCommand], Awaitable[Written]]
"""Decides on a command of the run's session, alone among its writers, and commits it."""

Emit = Callable[[Any], None]
History = Callable[[int, int | None], Awaitable[list[dict[str, Any]]]]


class RunningTurn:
    """A turn as its agent sees it (see `agent.Turn`), and as its engine drives it."""

    def __init__(
        self,
        state: Session,
        begun: BeginRun,
        *,
        now: Callable[[], str],
        commit: Commit,
        emit: Emit,
        history: History,
    ) -> None:
        self.run_id = begun.run_id
        self.request = decode_messages(begun.request.array())
        self.scope = CancelScope()
        self.boundaries = 0
        self.closed = False
        self.agent: Agent | None = None
        self.terminal: Terminal | None = None
        self._emit: Final = emit
        self._begun: Final = begun
        self._now: Final = now
        self._commit: Final = commit
        self._history: Final = history
        self._stopped: Final = asyncio.Event()
        self._ended: Final = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None
        self._receipt: Any = None
        self._look(state)
        self.inputs = inputs_of(state, begun.input_ids)

    def _look(self, state: Session) -> None:
        """Take the session's state over."""
        work = state.work
        self.session: SessionView = view_of(state)
        self.results = [msgspec.json.decode(message) for message in work.results]
        waits = calls_held_open(work, work.results)  # then context lands with a later boundary
        self.context = [] if waits else list(self.session.staged_context)
        self._rules, self._calls = work.rules.with_shapes(()), work.calls
        self.open_calls = open_calls_of(state)
        self.tool_filter = None if work.filter is None else msgspec.json.decode(work.filter)

    # For the agent

    async def history(self, *, offset: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the recorded conversation, oldest first."""
        return await self._history(offset, limit)

    async def prompt(self) -> list[dict[str, Any]]:
        """Return everything for the model: history, staged messages, inputs, request.

        Every tool call is directly followed by its result. One that was recorded later is moved
        there; a call without one gets a stand-in in the shape of its provider, which begins with
        ``[not recorded]`` and is in no log.
        """
        brought = [message for item in self.inputs for message in item.messages]
        asked = [] if self.boundaries else self.request
        history = await self.history()
        messages = [*history, *self.results, *self.context, *brought, *asked]
        return presentable(messages, self._rules, self._calls)

    def emit(self, event: Any) -> None:
        """Send an event to the turn's watchers at once: it is not recorded, nor copied.

        After the end of the turn, events of an agent that was left behind are dropped.
        """
        if not self._ended.is_set():
            self._emit(event)

    async def boundary(
        self, messages: Iterable[Message] = (), *, usage: Usage | None = None
    ) -> LandedBoundary:
        """Land the messages of the run so far, with a receipt of their own, and go on."""
        landing, held = await finish(  # so that its receipt is known
            self._land(
                ApplyBoundary(
                    now=self._now(),
                    run_id=self.run_id,
                    epoch=self._begun.epoch,
                    request=self._begun.request,
                    messages=_encoded(messages),
                    usage=None if usage is None else checked_usage(usage),
                )
            )
        )
        refused = landing.exception() is not None
        written = result_of(landing, held if refused else None)
        event, state = written.events[-1], written.folded.state
        assert isinstance(event, BoundaryApplied)  # noqa: S101 - the command's event
        self.boundaries += 1
        self.inputs = inputs_of(state, event.steered_input_ids)
        self._look(state)
        run = state.work.run
        if run is not None and run.interrupt is not None:
            self.scope.request(run.interrupt_reason)
        if self.scope.requested:
            self._stop()
        if held is not None:
            raise held
        if self.scope.requested:
            await asyncio.sleep(0)  # where the cancellation is delivered
        return LandedBoundary(receipt=event.receipt, steered=self.inputs)

    async def _land(self, command: ApplyBoundary) -> Written:
        """Land a boundary and keep its receipt, as its agent may be left behind by then."""
        written = await self._commit(command)
        self._receipt = receipt_in(written.events[-1])
        return written

    # For the engine

    @property
    def machine_owned(self) -> bool:
        """Whether the run began as the machine's, and so stays that to its end."""
        return self._begun.machine_owned

    @property
    def receipt(self) -> Any:
        """The receipt of the last boundary that landed, None before the first."""
        return self._receipt

    @property
    def over(self) -> bool:
        """Whether the agent is done, so that the turn's end is decided."""
        return self._task is not None and self._task.done()

    def interrupt(self, reason: str | None = None) -> None:
        """End the turn now."""
        self.scope.request(reason)
        self._stop()

    async def wait_until_ended(self) -> None:
        """Wait until the run's end is recorded, or known not to be."""
        await self._ended.wait()

    async def drive(
        self, agent_of: Callable[[], Awaitable[Agent]], grace_seconds: float
    ) -> tuple[Written, Terminal]:
        """Get the agent, run it, record the run's end, and return that commit and the outcome.

        Raises StaleWriter if the run was closed from outside, StoreError, and CancelledError if the
        caller is cancelled: the run then ends as interrupted first.
        """
        try:
            self._task = asyncio.ensure_future(self._run(agent_of))
            if self._stopped.is_set():
                self._task.cancel()
            held = await self._wait_for_agent(self._task, grace_seconds)
            ending, again = await finish(self._end(self._task))
            return result_of(ending, held or again)
        finally:
            self._ended.set()

    async def _end(self, task: asyncio.Task[Any]) -> tuple[Written, Terminal]:
        """Record the run's end, given the agent's task; return the commit and the outcome."""
        command, terminal = self._outcome(task)
        try:
            written = await self._commit(command)
        except Exception as wrong:  # noqa: BLE001 - the run is to end
            command, terminal = self._failure(not_recorded(wrong))
            written = await self._commit(command)
        self.terminal = terminal
        return written, terminal

    async def _run(self, agent_of: Callable[[], Awaitable[Agent]]) -> Any:
        try:
            agent = self.agent = await agent_of()
        except AgentFailure:
            raise
        except Exception as error:
            raise AgentFailure(
                f"no agent was made: {type(error).__name__}: {said(error)}", kind="internal"
            ) from error
        return await answer_of(agent, agent.run_turn(self))

    async def _wait_for_agent(
        self, task: asyncio.Task[Any], grace_seconds: float
    ) -> asyncio.CancelledError | None:
        """Wait until the agent is done, or did not stop in time.

        Returns the cancellation that reached the caller meanwhile, None where none did.
        """
        stopped = asyncio.ensure_future(self._stopped.wait())
        held: asyncio.CancelledError | None = None
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as cancelled:
            held = cancelled
            self.interrupt("the caller was cancelled")
        finally:
            stopped.cancel()
        if not task.done():
            _, again = await finish(asyncio.wait({task}, timeout=grace_seconds))
            held = held or again
        return held

    def _stop(self) -> None:
        """Cancel the agent, but only once, so that its cleaning up is not cut off."""
        if not self._stopped.is_set():
            self._stopped.set()
            if self._task is not None:
                self._task.cancel()

    def _outcome(self, task: asyncio.Task[Any]) -> tuple[SessionCommand, Terminal]:
        """Return the command that ends the run, given the agent's task, and the outcome."""
        if not task.done():
            _LOGGER.warning("the agent of run %s did not stop and was left behind", self.run_id)
            task.add_done_callback(_forget)
            return self._cancellation()
        if task.cancelled():
            if self._stopped.is_set():
                return self._cancellation()
            return self._failure(AgentFailure("the agent stopped itself", kind="stopped"))
        error = task.exception()
        if error is not None:
            return self._failure(error)
        try:
            return self._completion(as_result(task.result()))
        except (Exception, asyncio.CancelledError) as wrong:  # noqa: BLE001 - the run is to end
            return self._failure(wrong)

    def _completion(self, result: TurnResult) -> tuple[SessionCommand, Terminal]:
        terminal = result.terminal
        if type(terminal) not in _TAGS:
            raise AgentFailure(
                "a turn ends as Completed, CallbackPending or NoPendingBoundary, "
                f"not {terminal!r}: a failure is raised, as AgentFailure"
            )
        given = {
            "result": terminal.result
            if isinstance(terminal, Completed)
            else msgspec.to_builtins(terminal)
        }
        encoded = msgspec.json.decode(encode_object(given, "result"), type=dict[str, msgspec.Raw])
        if not isinstance(terminal, Completed):  # as a retry reads it
            terminal = msgspec.json.decode(encoded["result"], type=type(terminal))
        elif terminal.result is not None:
            terminal = Completed(result=msgspec.json.decode(encoded["result"]))
        command = CompleteRun(
            now=self._now(),
            run_id=self.run_id,
            epoch=self._begun.epoch,
            request=self._begun.request,
            messages=_encoded(result.messages),
            boundary=self._begun.boundary,
            terminal=_TAGS[type(terminal)],
            waits_for=terminal.call_id if isinstance(terminal, CallbackPending) else None,
            result=encoded["result"],
            usage=None if result.usage is None else checked_usage(result.usage),
        )
        return command, terminal

    def _failure(self, error: BaseException) -> tuple[SessionCommand, Terminal]:
        message = said(error)
        if not isinstance(error, AgentFailure) or error.__cause__ is not None:
            _LOGGER.warning("the agent of run %s failed", self.run_id, exc_info=error)
        if isinstance(error, AgentFailure):
            terminal = failed_as(error, message)
        else:
            terminal = Failed("turn", plain(f"{type(error).__name__}: {message}"))
        command = FailRun(
            now=self._now(),
            run_id=self.run_id,
            epoch=self._begun.epoch,
            kind=terminal.kind,
            message=terminal.message,
            recoverable=terminal.recoverable,
        )
        return command, terminal

    def _cancellation(self) -> tuple[SessionCommand, Terminal]:
        reason = self.scope.reason
        terminal = Cancelled(reason=None if reason is None else said(reason))
        command = CancelRun(
            now=self._now(),
            run_id=self.run_id,
            epoch=self._begun.epoch,
            reason=terminal.reason,
        )
        return command, terminal


_TAGS: Final[dict[type, Any]] = {
    Completed: "completed",
    CallbackPending: "callback_pending",
    NoPendingBoundary: "no_pending_boundary",
}


def inputs_of(state: Session, input_ids: Iterable[str]) -> list[TurnInput]:
    """Return inputs that the session has in hand, with their messages."""
    return [
        TurnInput(id=one, messages=decode_messages(state.work.inputs[one].messages))
        for one in input_ids
        if one in staged_inputs(state.work)
    ]


def _encoded(messages: Iterable[Message]) -> EncodedMessages:
    """Return the agent's messages as they will be recorded, which may be none."""
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        return encode_messages(messages)  # which refuses them
    given = list(messages)
    return encode_messages(given) if given else NO_MESSAGES


def _forget(task: asyncio.Task[Any]) -> None:
    """Read the exception of an agent that was left behind, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
