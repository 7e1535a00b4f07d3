"""The verb that forks a session: a new session continues another's conversation from some point.

Invariants: a fork writes its own events only, and never to its origin; it reads the origin's rows,
checks them, and names them in its first event with their digest.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from perdure.aggregates import Fork, RecordTurn, Session, encode_messages
from perdure.aggregates.session.retries import same_turn
from perdure.aggregates.session.state import REPLACEMENT_RUN
from perdure.errors import InvalidArgument
from perdure.projections.catalog import SessionView, view_of
from perdure.projections.fork_points import ForkPoint, fork_point
from perdure.projections.snapshots import Folded, nothing_folded
from perdure.runtime.arguments import checked_count, checked_labels, checked_metadata
from perdure.runtime.core import Core, conflict
from perdure.runtime.session.commit import Written


async def fork(
    core: Core,
    session_id: str,
    *,
    at_version: int | None = None,
    at_message: int | None = None,
    new_session_id: str | None = None,
    replace: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> SessionView:
    """Make a new session that continues the conversation of this one, its origin, from some point.

    - ``at_version``: keep the conversation as it was at this version of the origin.
    - ``at_message``: keep this many messages from the beginning. Give at most one of the two; with
      neither, all messages are kept.
    - ``new_session_id``: the id of the fork. A given one, with a given point, makes a retry safe.
    - ``replace``: a message to record in the place of the first one that is not kept. It needs
      ``at_message``, and is recorded in the same commit, as a turn with a receipt.
    - ``labels``, ``metadata``: those of the fork; it has none of its origin's.

    The origin is not changed, and nothing is copied: history, digests and audits of the fork read
    the origin's rows, also after the origin has ended. Runs, inputs, idempotency keys and staged
    context stay with the origin.

    A tool call without a result among the kept messages is open in the fork. Its status there is
    unknown if the tool may have been executed: the call is or was unknown in the origin, a run that
    has the call has not ended, or a result of the call is staged or recorded after the point. A
    call that the origin has abandoned is abandoned in the fork too, unless the origin has more
    messages than the fork keeps: then the fork decides for itself. A fork with open calls names the
    newest version of its origin, because their status depends on it.

    Raises:
    - SessionNotFound;
    - InvalidArgument for a point that the session never had;
    - InvalidMessage;
    - Conflict if the new id is in use;
    - IllegalTransition if a fork of this id has ended since;
    - LogCorrupt if the origin's rows do not match its receipts;
    - CallsUnresolved if ``replace`` would follow calls that are unknown. Nothing is written. Fork
      without ``replace``, resolve the calls in the fork, and record the message there.
    """
    session_id = core.check_known(session_id)
    _check_point(at_version, at_message, replace=replace is not None)
    name = core.new_or_checked(new_session_id, "new_session_id")
    if name == session_id:
        raise InvalidArgument("a session cannot be forked into itself", parameter="new_session_id")
    now = core.now()
    turn = None if replace is None else _replacement(replace, now)
    given = (
        None if labels is None else checked_labels(labels),
        None if metadata is None else checked_metadata(metadata),
    )
    point = await asyncio.to_thread(
        fork_point,
        core.store,
        core.mapper,
        session_id,
        name,
        at_version=at_version,
        at_message=at_message,
        replaces=replace is not None,
        call_shapes=core.call_shapes,
    )
    fork = Fork(now=now, origin=point.origin, labels=given[0], metadata=given[1])
    return view_of((await commit_fork(core, point, fork, turn)).folded.state)


async def commit_fork(core: Core, point: ForkPoint, fork: Fork, turn: RecordTurn | None) -> Written:
    """Commit the fork, with the turn that replaces a message; a retry writes nothing."""
    before = point.state
    cached = core.sessions.get(before.id)

    async def work(folded: Folded) -> Written:
        if folded.state.version:
            again = msgspec.structs.replace(fork, origin=point.like(folded.state.origin))
            written = await core.writer.commit(cached, folded, again)
            await _check_same_start(core, folded.state, turn)
            return written
        empty = nothing_folded(before.id)._replace(state=before)
        turns = () if turn is None else (turn,)
        return await core.writer.commit(cached, empty, fork, *turns)

    return await core.writer.run_alone(cached, work)


async def _check_same_start(core: Core, state: Session, turn: RecordTurn | None) -> None:
    """Raise Conflict unless a retried fork has the same replacing message, or none."""
    version = state.runs.get(REPLACEMENT_RUN)
    if turn is None or version is None:
        same = turn is None and version is None
    else:
        same = same_turn(await core.event(state.id, version), turn)
    if not same:
        raise conflict(state.id, "fork", state.id)


def _replacement(message: Mapping[str, Any], now: str) -> RecordTurn:
    return RecordTurn(
        now=now,
        run_id=REPLACEMENT_RUN,
        messages=encode_messages([message]),
        boundary="immediate",
    )


def _check_point(at_version: int | None, at_message: int | None, *, replace: bool) -> None:
    if at_version is not None:
        checked_count(at_version, "at_version")
    if at_message is not None:
        checked_count(at_message, "at_message")
    if at_version is not None and at_message is not None:
        raise InvalidArgument(
            "a fork is at a version or at a message, not both", parameter="at_message"
        )
    if replace and at_message is None:
        raise InvalidArgument(
            "replace needs at_message, the place of the message to replace", parameter="at_message"
        )
