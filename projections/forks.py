"""Where a fork may begin: a point of a session, read and checked against its own receipts.

Invariants: a fork is only made from what the session's log, folded, says its conversation was.
"""

from engine.aggregates import Origin, Session
from engine.errors import InvalidArgument, LogCorrupt
from engine.store import Mapper, Store
from projections.history import count_at, version_reaching
from projections.lineage import forked_state
from projections.snapshots import load


def fork_point(
    store: Store,
    mapper: Mapper,
    session_id: str,
    fork_id: str,
    *,
    at_version: int | None,
    at_message: int | None,
    replaces: bool,
) -> tuple[Session, Origin]:
    """Return the state that a fork of the session begins with, and how it names its origin.

    The point is a version, a number of messages, or where neither is given the newest. The version
    named is the first that has the messages, where their number was given. ``replaces`` says that
    there must be a message behind them. Raises InvalidArgument for a point that the session never
    had, LogCorrupt where the log does not hold what it says it does.
    """
    recorder = store.recorder
    version = recorder.last_version(session_id) or 0
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
    load(store, mapper, session_id, upto=version)  # every event up to there is sound
    given = Origin(
        session_id=session_id, version=version, message_count=count, conversation_digest=""
    )
    state = forked_state(recorder, mapper, fork_id, given)
    kept = state.conversation
    if kept.count != count:
        raise LogCorrupt(
            session_id, version, "receipt", f"it says {count} messages and holds {kept.count}"
        )
    return state, Origin(
        session_id=session_id,
        version=version,
        message_count=count,
        conversation_digest=kept.digest(),
    )
