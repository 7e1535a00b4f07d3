"""The verb that records a turn which has already been run outside the engine.

Invariants: the turn is one commit, and a turn that was refused has written nothing; the same run id
is recorded once.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from perdure.aggregates import RecordTurn, encode_messages
from perdure.aggregates.session.retries import same_turn
from perdure.projections.history import receipt_in
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import (
    checked_boundary,
    checked_count,
    checked_decision,
    checked_ids,
    checked_usage,
    optional_text,
)
from perdure.runtime.core import Core, conflict, known
from perdure.runtime.recovery import close_lost_run
from perdure.runtime.session.cache import CachedSession
from perdure.runtime.session.commit import expect_version
from perdure.values import (
    ApplyOutput,
    Boundary,
    Completed,
    OpenCallsDecision,
    Usage,
    checked_id,
)


async def record_turn(
    core: Core,
    session_id: str,
    messages: Iterable[Mapping[str, Any]],
    *,
    run_id: str | None = None,
    boundary: Boundary = "run_start",
    input_ids: Iterable[str] = (),
    usage: Usage | None = None,
    expected_version: int | None = None,
    open_calls: OpenCallsDecision | None = None,
    reason: str | None = None,
) -> ApplyOutput:
    """Record a turn that was run outside the engine: its messages and receipt, in one commit.

    - ``messages``: JSON objects. They are recorded verbatim and in order, after any staged tool
      results and context.
    - ``run_id``: makes a retry safe. A known id with the same content returns the recorded turn.
    - ``boundary``: the kind of boundary that lands.
    - ``input_ids``: queued inputs that the turn consumed.
    - ``usage``: the tokens that the turn used.
    - ``expected_version``: the version of the session that the model was run on, if it must still
      be at that.

    Open tool calls must be answered by staged results or by the first of the messages. Otherwise
    ``open_calls`` says what becomes of them, and ``reason`` why: "abandon" gives them up, "keep"
    leaves them open and lets turns go on without their results. Both are recorded with the turn.

    Raises SessionNotFound, InvalidMessage, InvalidArgument, SessionBusy while a turn of this
    session runs, CallsUnresolved where open calls are left behind, InputNotQueued, Conflict for a
    known run id with other content, IllegalTransition where the lifecycle allows no turn,
    StaleWriter if another process has written in between or the session is not at
    ``expected_version``.
    """
    core.check_open()
    command = RecordTurn(
        now=core.now(),
        run_id=core.new_or_checked(run_id, "run_id"),
        messages=encode_messages(messages),
        boundary=checked_boundary(boundary),
        input_ids=checked_ids(input_ids, "input_ids"),
        usage=None if usage is None else checked_usage(usage),
        open_calls=checked_decision(open_calls),
        reason=optional_text(reason),
    )
    if expected_version is not None:
        checked_count(expected_version, "expected_version")
    cached = core.sessions.get(checked_id(session_id, "session_id"))
    core.admission.check(session_id)
    if cached.turn:
        raise core.admission.busy(session_id)
    cached.turn = True
    try:
        return await core.writer.run_alone(
            cached, lambda folded: _commit_turn(core, cached, folded, command, expected_version)
        )
    finally:
        cached.turn = False


async def _commit_turn(
    core: Core, cached: CachedSession, folded: Folded, command: RecordTurn, expected: int | None
) -> ApplyOutput:
    folded = known(folded)
    if folded.state.work.run is not None:
        folded = await close_lost_run(core, cached, folded)
    state = folded.state
    version = state.runs.get(command.run_id)
    if version is not None:
        event = await core.event(state.id, version)
        if not same_turn(event, command):
            raise conflict(state.id, "run id", command.run_id)
        receipt = receipt_in(event)
        return ApplyOutput(receipt=receipt, snapshot=None, terminal=Completed(), duplicate=True)
    expect_version(folded, expected)
    written = await core.writer.commit(cached, folded, command)
    return ApplyOutput(
        receipt=receipt_in(written.events[-1]),
        snapshot=written.snapshot,
        terminal=Completed(),
    )
