"""The verbs that record: each is one commit, of what has already happened outside.

Invariants: a verb states the version it follows, and one that was refused has written nothing; the
live copy of a session changes only after its commit is durable.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from perdure.aggregates import (
    AppendContext,
    Archive,
    CommitCheckpoint,
    ContextAppended,
    RecordTurn,
    Recover,
    Register,
    Retire,
    SessionCommand,
    StageContext,
    encode_messages,
)
from perdure.aggregates.session.retries import same_context, same_turn
from perdure.errors import (
    Conflict,
    InvalidArgument,
    SessionBusy,
    SessionNotFound,
)
from perdure.machines import SESSION
from perdure.projections.catalog import SessionView, view_of
from perdure.projections.history import receipt_in
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import (
    checked_boundary,
    checked_count,
    checked_ids,
    checked_labels,
    checked_metadata,
    checked_usage,
    context_message,
    optional_id,
    optional_text,
)
from perdure.runtime.cancellation import followed
from perdure.runtime.environment import Environment
from perdure.runtime.session.cache import Live
from perdure.runtime.session.checkpointers import Checkpointers
from perdure.runtime.session.commit import Writer, Written, expect_version
from perdure.runtime.session.owner import Ownership
from perdure.runtime.settings import Settings
from perdure.runtime.turn.admission import Admission
from perdure.runtime.verbs.reads import Reader
from perdure.store import Store
from perdure.values import (
    ApplyOutput,
    Boundary,
    Checkpoint,
    Completed,
    ContextOutput,
    Usage,
    checked_id,
)


class Recording(Reader):
    """The recording side of an engine, on top of its reading side."""

    def __init__(self, store: Store, environment: Environment, settings: Settings) -> None:
        super().__init__(store, Ownership(store, environment, settings.lease_seconds))
        self._environment: Final = environment
        self._admission: Final = Admission(settings.max_active)
        self._checkpointers: Final = Checkpointers(
            settings.checkpoints, lambda name: self._write(name, CommitCheckpoint(now=self._now()))
        )
        self._writer: Final = Writer(store, self._mapper, self._live, self._checkpointers.landed)

    async def register(
        self,
        session_id: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> SessionView:
        """Make a session exist, under a new UUIDv7 or an id of your own (1 to 255 characters).

        ``labels`` are short texts to filter by, ``metadata`` any JSON object. Registering again
        changes nothing. Raises InvalidArgument, InvalidMessage (for metadata), Conflict where it
        is registered with other labels or metadata, IllegalTransition where it has ended.
        """
        name = self._new_or_checked(session_id, "session_id")
        command = Register(
            now=self._now(),
            labels=None if labels is None else checked_labels(labels),
            metadata=None if metadata is None else checked_metadata(metadata),
        )
        self._check_open()
        live = self._live.get(name)
        written = await self._writer.alone(
            live, lambda folded: self._writer.commit(live, folded, command)
        )
        return view_of(written.folded.state)

    async def record_turn(
        self,
        session_id: str,
        messages: Iterable[Mapping[str, Any]],
        *,
        run_id: str | None = None,
        boundary: Boundary = "run_start",
        input_ids: Iterable[str] = (),
        usage: Usage | None = None,
        expected_version: int | None = None,
    ) -> ApplyOutput:
        """Record a turn that has already been run: its messages and receipt, in one commit.

        ``messages`` are JSON objects, recorded verbatim in order behind any staged tool results
        and context. ``input_ids`` names queued inputs that the turn consumed. ``run_id`` makes a
        retry safe: the same id with the same content returns what is recorded.
        ``expected_version`` is the version that the model was run on, if it must still be that.
        Raises SessionNotFound, InvalidMessage, InvalidArgument, SessionBusy while a turn of this
        session is in flight, CallsUnresolved while tool calls are unknown, InputNotQueued,
        Conflict for a known run id with other content, IllegalTransition where the lifecycle
        allows no turn, StaleWriter where another process wrote meanwhile or the session is not at
        ``expected_version``.
        """
        self._check_open()
        command = RecordTurn(
            now=self._now(),
            run_id=self._new_or_checked(run_id, "run_id"),
            messages=encode_messages(messages),
            boundary=checked_boundary(boundary),
            input_ids=checked_ids(input_ids, "input_ids"),
            usage=None if usage is None else checked_usage(usage),
        )
        if expected_version is not None:
            checked_count(expected_version, "expected_version")
        live = self._live.get(checked_id(session_id, "session_id"))
        self._admission.check(session_id)
        if live.turn:
            raise SessionBusy(session_id)
        live.turn = True
        try:
            return await self._writer.alone(
                live, lambda folded: self._turn(live, folded, command, expected_version)
            )
        finally:
            live.turn = False

    async def append_context(
        self,
        session_id: str,
        text: str,
        *,
        boundary: Boundary = "immediate",
        source: str | None = None,
        idempotency_key: str | None = None,
        run_id: str | None = None,
    ) -> ContextOutput:
        """Make a text part of the conversation at once, as a system message with its receipt.

        With another ``boundary`` it is staged, as `stage_context` does, and becomes part of the
        conversation with the next one that lands: the next turn's, or one of the turn that runs;
        what makes a retry safe then is the idempotency key, and not a ``run_id``. The text is
        trimmed and must not be empty. An idempotency key seen before with the same text and source
        answers ``duplicate``. Raises SessionNotFound, InvalidArgument, InvalidMessage, Conflict for
        a known key with other content, IllegalTransition, StaleWriter.
        """
        if checked_boundary(boundary) != "immediate":
            if run_id is not None:
                raise InvalidArgument(
                    "text that is staged lands with another run, and has no run id of its own",
                    parameter="run_id",
                )
            return await self.stage_context(
                session_id, text, source=source, idempotency_key=idempotency_key
            )
        command = AppendContext(
            now=self._now(),
            run_id=self._new_or_checked(run_id, "run_id"),
            message=context_message(text),
            source=optional_id(source, "source"),
            idempotency_key=optional_id(idempotency_key, "idempotency_key"),
        )
        return await self._context(session_id, command, given_run=run_id is not None)

    async def stage_context(
        self,
        session_id: str,
        text: str,
        *,
        source: str | None = None,
        idempotency_key: str | None = None,
    ) -> ContextOutput:
        """Keep a text for the next turn, whose commit will put it before the turn's messages.

        Durable at once. Trimming, keys and errors are as with `append_context`.
        """
        command = StageContext(
            now=self._now(),
            message=context_message(text),
            source=optional_id(source, "source"),
            idempotency_key=optional_id(idempotency_key, "idempotency_key"),
        )
        return await self._context(session_id, command, given_run=False)

    async def checkpoint(self, session_id: str) -> Checkpoint:
        """Commit a checkpoint of the session as it is; nothing if nothing happened since the last.

        Raises SessionNotFound, IllegalTransition for a session that has ended, StaleWriter.
        """
        written = await self._write(session_id, CommitCheckpoint(now=self._now()))
        state = written.folded.state
        return Checkpoint(
            session_id=state.id,
            version=state.version,
            message_count=state.conversation.count,
            conversation_digest=state.conversation.digest(),
            changed=bool(written.events),
        )

    async def retire(self, session_id: str, *, reason: str | None = None) -> SessionView:
        """Take no new input from here on; a second time changes nothing.

        Raises SessionNotFound, IllegalTransition for a session that has ended, StaleWriter.
        """
        written = await self._write(
            session_id, Retire(now=self._now(), reason=optional_text(reason))
        )
        return view_of(written.folded.state)

    async def archive(
        self,
        session_id: str,
        *,
        reason: str | None = None,
        pending: Literal["refuse", "abandon", "drain"] = "refuse",
    ) -> SessionView:
        """End the session for good, retiring it first in the same commit if it is live.

        ``pending`` says what to do about queued input: "refuse" to archive, "abandon" it in the
        same commit, or "drain" it first: retire, and run what is queued through the agent. Input
        whose turns all fail is abandoned then, and a draining that is cut short leaves the session
        retired. Raises SessionNotFound, InvalidArgument, IllegalTransition where the session has
        ended, runs a turn, or still has input queued, StaleWriter, and where it drains what
        `apply_turn` raises.
        """
        if pending not in ("refuse", "abandon", "drain"):
            raise InvalidArgument(
                f"pending is 'refuse', 'abandon' or 'drain', not {pending!r}", parameter="pending"
            )
        if pending == "drain":
            await self._drain_session(session_id, reason)
        command = Archive(
            now=self._now(), reason=optional_text(reason), abandon_inputs=pending == "abandon"
        )
        written = await followed(
            lambda: self._write(session_id, command), lambda _: self._session_over(session_id)
        )
        return view_of(written.folded.state)

    async def discard_live(self, session_id: str) -> bool:
        """Drop the session's live copy, if it has an idle one; the log is untouched."""
        self._check_open()
        return self._live.discard(checked_id(session_id, "session_id"))

    # How a verb becomes a commit

    async def _write(self, session_id: str, command: SessionCommand) -> Written:
        self._check_open()
        live = self._live.get(checked_id(session_id, "session_id"))

        async def work(folded: Folded) -> Written:
            folded = await self._attended(live, known(folded))
            return await self._writer.commit(live, folded, command)

        return await self._writer.alone(live, work)

    async def _drain_session(self, session_id: str, reason: str | None) -> None:
        """Take no new input from here on, and run what is queued."""
        await self.retire(session_id, reason=reason)

    def _session_over(self, session_id: str) -> None:
        """Keep nothing at hand for a session that has ended."""
        self._live.discard(session_id)
        self._checkpointers.close(session_id)

    async def _attended(self, live: Live, folded: Folded) -> Folded:
        """Return the fold without a run whose owner is gone: such a run is closed first (G9).

        Its boundaries stay, its other inputs are queued again, and the tool calls that it left
        open are unknown from here on. Nothing is kept at hand for a session found to have ended.
        """
        if folded.state.phase in SESSION.final:  # perhaps elsewhere
            self._session_over(folded.state.id)
        run = folded.state.work.run
        if run is None or not await self._is_ownerless(folded.state.id, run.epoch):
            return folded
        return (await self._writer.commit(live, folded, Recover(now=self._now()))).folded

    async def _turn(
        self, live: Live, folded: Folded, command: RecordTurn, expected: int | None
    ) -> ApplyOutput:
        folded = known(folded)
        if folded.state.work.run is not None:
            folded = await self._attended(live, folded)
        state = folded.state
        version = state.runs.get(command.run_id)
        if version is not None:
            event = await self._event(state.id, version)
            if not same_turn(event, command):
                raise conflict(state.id, "run id", command.run_id)
            receipt = receipt_in(event)
            return ApplyOutput(receipt=receipt, snapshot=None, terminal=Completed(), duplicate=True)
        expect_version(folded, expected)
        written = await self._writer.commit(live, folded, command)
        return ApplyOutput(
            receipt=receipt_in(written.events[0]),
            snapshot=written.snapshot,
            terminal=Completed(),
        )

    async def _context(
        self, session_id: str, command: AppendContext | StageContext, *, given_run: bool
    ) -> ContextOutput:
        self._check_open()
        live = self._live.get(checked_id(session_id, "session_id"))

        async def work(folded: Folded) -> ContextOutput:
            folded = await self._attended(live, known(folded))
            state = folded.state
            seen = [("idempotency key", command.idempotency_key, state.keys)]
            if isinstance(command, AppendContext) and given_run:
                seen.append(("run id", command.run_id, state.runs))
            for what, key, recorded in seen:
                version = None if key is None else recorded.get(key)
                if version is not None:
                    event = await self._event(session_id, version)
                    if not same_context(event, command):
                        raise conflict(session_id, what, str(key))
                    receipt = event.receipt if isinstance(event, ContextAppended) else None
                    return ContextOutput(status="duplicate", receipt=receipt)
            event = (await self._writer.commit(live, folded, command)).events[0]
            if isinstance(event, ContextAppended):
                return ContextOutput(status="applied", receipt=event.receipt)
            return ContextOutput(status="staged", receipt=None)

        return await self._writer.alone(live, work)

    def _now(self) -> str:
        return self._environment.timestamp()

    def _new_or_checked(self, given: str | None, what: str) -> str:
        return self._environment.new_id() if given is None else checked_id(given, what)


def known(folded: Folded) -> Folded:
    """Return the fold of a session that exists. Raises SessionNotFound for an empty one."""
    if not folded.state.version:
        raise SessionNotFound(folded.state.id)
    return folded


def conflict(session_id: str, what: str, key: str) -> Conflict:
    """Return the refusal of a key that is known with other content."""
    return Conflict(
        f"session {session_id!r} has recorded the {what} {key!r} with other content",
        session_id=session_id,
        key=key,
    )
