"""Where a fork may begin: a point of a session, read and checked against its own receipts.

Invariants: a fork is only made from a conversation that the fold of the session's log confirms.
"""

from typing import NamedTuple

import msgspec

from perdure.aggregates import CallShape, Origin, Session
from perdure.aggregates.session.call_shapes import RULES
from perdure.errors import InvalidArgument, LogCorrupt
from perdure.projections.history import count_at, version_reaching
from perdure.projections.origins import forked_state
from perdure.projections.snapshots import load
from perdure.store import Mapper, Store


class ForkPoint(NamedTuple):
    """The state that a fork begins with, and how it names its origin.

    ``least`` is the version of the point itself. Where calls are open there the origin is named at
    its newest version, which may be another when the same fork is asked for again.
    """

    state: Session
    origin: Origin
    least: int

    def like(self, recorded: Origin | None) -> Origin:
        """Return how the fork names its origin, as was recorded if that is the same point."""
        if recorded is None or not self.least <= recorded.version <= self.origin.version:
            return self.origin
        given = {"version": recorded.version, "rules": recorded.rules}
        same = msgspec.structs.replace(self.origin, **given) == recorded
        return recorded if same else self.origin


def fork_point(
    store: Store,
    mapper: Mapper,
    session_id: str,
    fork_id: str,
    *,
    at_version: int | None,
    at_message: int | None,
    replaces: bool,
    call_shapes: tuple[CallShape, ...] = (),
) -> ForkPoint:
    """Return where a fork of the session begins.

    The point is a version, a number of messages, or where neither is given the newest. The version
    named is the one that was given, or the first that has the messages, where their number was
    given; but where calls are open there it is the newest, because a later event may tell their
    outcome. ``replaces`` says that there must be a message behind them. Raises InvalidArgument for
    a point that the session never had, LogCorrupt where the log contradicts itself.
    """
    recorder = store.recorder
    newest = version = recorder.last_version(session_id) or 0
    if at_version is not None:
        if not 1 <= at_version <= version:
            raise InvalidArgument(
                f"session {session_id!r} has no version {at_version}",
                parameter="at_version",
                session_id=session_id,
            )
        version = at_version
    count = count_at(recorder, mapper, session_id, version)
    if at_message is not None:
        if at_message + replaces > count:
            raise InvalidArgument(
                f"session {session_id!r} has {count} messages: it cannot be forked after "
                f"{at_message}{' and the next one replaced' if replaces else ''}",
                parameter="at_message",
                session_id=session_id,
            )
        count = at_message
        version = version_reaching(recorder, mapper, session_id, version, count)
    given = Origin(
        session_id=session_id,
        version=version,
        message_count=count,
        conversation_digest="",
    )
    point = _at(store, mapper, fork_id, given, call_shapes)
    if version < newest and point.state.work.calls:
        given = msgspec.structs.replace(given, version=newest)
        point = _at(store, mapper, fork_id, given, call_shapes)
    return point._replace(least=version)


def _at(
    store: Store, mapper: Mapper, fork_id: str, given: Origin, shapes: tuple[CallShape, ...]
) -> ForkPoint:
    session_id, version, count = given.session_id, given.version, given.message_count
    folded, _ = load(store, mapper, session_id, upto=version)  # every event up to there is sound
    rules = RULES if folded is None else folded.state.work.rules
    given = msgspec.structs.replace(given, rules=rules.with_shapes(shapes))
    state = forked_state(store.recorder, mapper, fork_id, given)
    kept = state.conversation
    if kept.count != count:
        raise LogCorrupt(
            session_id, version, "receipt", f"it says {count} messages and holds {kept.count}"
        )
    origin = msgspec.structs.replace(given, conversation_digest=kept.digest())
    return ForkPoint(state, origin, version)
