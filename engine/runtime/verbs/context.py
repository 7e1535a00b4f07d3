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
    """Add a text to the conversation at once, as a system message with its own receipt.

    - ``text`` is trimmed, and must not be empty.
    - ``boundary``: any other than "immediate" stages the text, as `stage_context` does. It then
      joins the conversation with the next boundary that lands, of the running or the next turn.
      While a tool call is open, a text that is to be added at once is staged too, so that it does
      not come between the call and its result; ``status`` is then "staged".
    - ``source``: where the text comes from.
    - ``idempotency_key``: a key seen before with the same text and source answers ``duplicate``.
    - ``run_id``: makes a retry safe too, but only of a text that is added at once.

    Raises SessionNotFound, InvalidArgument, InvalidMessage, Conflict for a known key with other
    content, IllegalTransition, StaleWriter.
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
        run_id_given=run_id is not None,
        message=context_message(text),
        source=optional_id(source, "source"),
        idempotency_key=optional_id(idempotency_key, "idempotency_key"),
    )
    return await _write_context(core, session_id, command)


async def stage_context(
    core: Core,
    session_id: str,
    text: str,
    *,
    source: str | None = None,
    idempotency_key: str | None = None,
) -> ContextOutput:
    """Keep a text for the next turn, whose commit puts it before the turn's messages.

    It is durable at once. The parameters and errors are those of `append_context`.
    """
    command = StageContext(
        now=core.now(),
        message=context_message(text),
        source=optional_id(source, "source"),
        idempotency_key=optional_id(idempotency_key, "idempotency_key"),
    )
    return await _write_context(core, session_id, command)


async def _write_context(
    core: Core, session_id: str, command: AppendContext | StageContext
) -> ContextOutput:
    core.check_open()
    cached = core.sessions.get(checked_id(session_id, "session_id"))

    async def work(folded: Folded) -> ContextOutput:
        folded = await close_lost_run(core, cached, known(folded))
        state = folded.state
        seen = [("idempotency key", command.idempotency_key, state.keys)]
        if isinstance(command, AppendContext) and command.run_id_given:
            seen.append(("run id", command.run_id, state.runs))
        for what, key, recorded in seen:
            version = None if key is None else recorded.get(key)
            if version is not None:
                event = await core.event(session_id, version)
                if not same_context(event, command):
                    raise conflict(session_id, what, str(key))
                receipt = event.receipt if isinstance(event, ContextAppended) else None
                return ContextOutput(status="duplicate", receipt=receipt)
        event = (await core.writer.commit(cached, folded, command)).events[-1]
        if isinstance(event, ContextAppended):
            return ContextOutput(status="applied", receipt=event.receipt)
        return ContextOutput(status="staged", receipt=None)

    return await core.writer.run_alone(cached, work)
