"""Forks: a new session that goes on from another's conversation, as it was at some point.

Invariants: a fork writes its own events and nothing else, and never to its origin; what it goes on
from is read from the origin's rows, checked, and named in its first event with its digest.
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
    """Make a session that goes on from another's conversation; the other is left as it is.

    The fork keeps what the conversation was ``at_version``, or its first ``at_message``
    messages, or all of it. With ``replace``, a message, it records that one in the place of
    the first message it does not keep, in the same commit, as a turn with a receipt. It copies
    nothing: history, digests and audits read on into the origin's rows, whatever becomes of the
    origin. Labels and metadata are its own; runs, inputs, keys and staged context stay with the
    origin.

    Tool calls that are open among the messages kept are open in the fork, and unknown where
    they may have been executed by now, however the point is named: where they are or were
    unknown in the origin, where a run that had them is not over, and where there is a result,
    staged or behind the point. What the origin gave up is open in the fork all the same if more
    messages followed. Where calls are open, the version named is the origin's newest.

    A ``new_session_id`` makes a retry safe, where the point is given too. Raises
    SessionNotFound, InvalidArgument for a point the session never had, InvalidMessage, Conflict
    where the new id is in use, IllegalTransition where the fork has ended since, LogCorrupt
    where the origin does not hold what its receipts say. Raises CallsUnresolved, of the fork
    that there would be, where ``replace`` would come behind calls that are unknown, and says
    nothing of them: fork without it, resolve them in the fork, and record the message there.
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
    )
    fork = Fork(now=now, origin=point.origin, labels=given[0], metadata=given[1])
    return view_of((await commit_fork(core, point, fork, turn)).folded.state)


async def commit_fork(core: Core, point: ForkPoint, fork: Fork, turn: RecordTurn | None) -> Written:
    """Commit the fork, and the turn that replaces a message; a retry writes nothing again."""
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
    """Refuse a retry of a fork that began with another message, or with one more or less."""
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
            "replace needs at_message, which says what is replaced", parameter="at_message"
        )
