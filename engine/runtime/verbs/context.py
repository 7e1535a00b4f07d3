"""The verbs that add a text to the conversation: at once, or with the next boundary.

Invariants: a text is recorded once for each idempotency key, however often it is sent.
"""

from perdure.aggregates import AppendContext, ContextAppended, StageContext
from perdure.aggregates.session.retries import same_context
from perdure.errors import InvalidArgument
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import checked_boundary, context_message, optional_id
from perdure.runtime.core import Core, conflict, known
from perdure.runtime.recovery import close_lost_run
from perdure.values import Boundary, ContextOutput, checked_id


async def append_context(
    core: Core,
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
        return await stage_context(
            core, session_id, text, source=source, idempotency_key=idempotency_key
        )
    command = AppendContext(
        now=core.now(),
        run_id=core.new_or_checked(run_id, "run_id"),
        message=context_message(text),
        source=optional_id(source, "source"),
        idempotency_key=optional_id(idempotency_key, "idempotency_key"),
    )
    return await _write_context(core, session_id, command, given_run=run_id is not None)


async def stage_context(
    core: Core,
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
        now=core.now(),
        message=context_message(text),
        source=optional_id(source, "source"),
        idempotency_key=optional_id(idempotency_key, "idempotency_key"),
    )
    return await _write_context(core, session_id, command, given_run=False)


async def _write_context(
    core: Core, session_id: str, command: AppendContext | StageContext, *, given_run: bool
) -> ContextOutput:
    core.check_open()
    cached = core.sessions.get(checked_id(session_id, "session_id"))

    async def work(folded: Folded) -> ContextOutput:
        folded = await close_lost_run(core, cached, known(folded))
        state = folded.state
        seen = [("idempotency key", command.idempotency_key, state.keys)]
        if isinstance(command, AppendContext) and given_run:
            seen.append(("run id", command.run_id, state.runs))
        for what, key, recorded in seen:
            version = None if key is None else recorded.get(key)
            if version is not None:
                event = await core.event(session_id, version)
                if not same_context(event, command):
                    raise conflict(session_id, what, str(key))
                receipt = event.receipt if isinstance(event, ContextAppended) else None
                return ContextOutput(status="duplicate", receipt=receipt)
        event = (await core.writer.commit(cached, folded, command)).events[0]
        if isinstance(event, ContextAppended):
            return ContextOutput(status="applied", receipt=event.receipt)
        return ContextOutput(status="staged", receipt=None)

    return await core.writer.run_alone(cached, work)
