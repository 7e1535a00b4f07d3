"""The session's state, and how a recorded event changes it.

Invariants: state is a function of the events alone; `evolve` refuses nothing that was recorded
legally; where a session is in its lifecycle is what the authority says after replaying the verbs
that the events stand for.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import immutables
import msgspec

from engine.aggregates.conversation import EMPTY, Conversation
from engine.aggregates.events import (
    NO_OBJECT,
    ContextAppended,
    ContextStaged,
    SessionArchived,
    SessionCheckpointed,
    SessionEvent,
    SessionRegistered,
    SessionRetired,
    TurnApplied,
)
from engine.machines import LIFECYCLE, Configuration, Value
from engine.values import Usage

Steps = tuple[tuple[str, tuple[Value, ...]], ...]

_SINGLE_STEPS: Final[dict[type, Steps]] = {
    SessionRegistered: (("register", ()),),
    ContextAppended: (("append_context", ()),),
    ContextStaged: (("stage_context", ()),),
    SessionCheckpointed: (("checkpoint", ()),),
    SessionRetired: (("retire", ()),),
    SessionArchived: (("archive", ()),),
}

_MAX_AFTER_TURN: Final = 1024
_AFTER_TURN: Final[dict[tuple[Configuration, int], Configuration]] = {}
"""Where whole turns lead, remembered. A run id is opaque to the machine, which only ever compares
it, and a whole turn begins and ends its own run, so which id it was makes no difference."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision about a session can depend on.

    ``runs`` and ``keys`` map run ids and idempotency keys to the version that recorded them;
    ``staged`` holds the encoded messages waiting for the next turn; ``checkpoint_version`` is the
    version of the last checkpoint, or 0.
    """

    id: str
    version: int = 0
    lifecycle: Configuration = LIFECYCLE.initial
    conversation: Conversation = EMPTY
    labels: dict[str, str] = {}
    metadata: msgspec.Raw = NO_OBJECT
    usage: Usage = Usage()
    staged: tuple[bytes, ...] = ()
    runs: immutables.Map[str, int] = immutables.Map()
    keys: immutables.Map[str, int] = immutables.Map()
    checkpoint_version: int = 0
    created_at: str = ""
    updated_at: str = ""

    @property
    def phase(self) -> str:
        """Return the lifecycle phase."""
        return self.lifecycle.phase


def initial_state(session_id: str) -> Session:
    """Return the state of a session of which nothing is recorded yet."""
    return Session(id=session_id)


def steps(event: SessionEvent) -> Steps:
    """Return the lifecycle verbs, with arguments, that the event stands for.

    A turn recorded whole is a run begun, applied and completed in one commit, so it needs no row
    of its own in the declaration.
    """
    if isinstance(event, TurnApplied):
        run = (event.receipt.run_id,)
        inputs = len(event.receipt.contributing_input_ids)
        return (
            ("begin_run", (*run, inputs)),
            ("apply_boundary", (*run, 0)),
            ("complete_run", run),
        )
    return _SINGLE_STEPS[type(event)]


def advance(configuration: Configuration, event: SessionEvent) -> Configuration:
    """Return where the lifecycle stands after the event.

    Raises IllegalTransition where the machine has no such move, which for a recorded event means
    that the log was not written by this law.
    """
    if isinstance(event, TurnApplied):
        known = _AFTER_TURN.get((configuration, len(event.receipt.contributing_input_ids)))
        if known is not None:
            return known
    after = configuration
    for verb, arguments in steps(event):
        after = LIFECYCLE.replay(after, verb, arguments, event.session_id)
    if isinstance(event, TurnApplied) and len(_AFTER_TURN) < _MAX_AFTER_TURN:
        _AFTER_TURN[configuration, len(event.receipt.contributing_input_ids)] = after
    return after


def evolve(state: Session, event: SessionEvent) -> Session:
    """Return the state after a recorded event."""
    match event:
        case TurnApplied():
            return _moved(
                state,
                event,
                conversation=_extended(state, event),
                runs=state.runs.set(event.receipt.run_id, event.version),
                staged=state.staged[event.staged_context :],
                usage=state.usage if event.usage is None else state.usage + event.usage,
            )
        case ContextAppended():
            return _moved(
                state,
                event,
                conversation=_extended(state, event),
                runs=state.runs.set(event.receipt.run_id, event.version),
                keys=_with_key(state, event),
            )
        case ContextStaged():
            waiting = bytes(event.messages)[1:-1]
            return _moved(
                state, event, staged=(*state.staged, waiting), keys=_with_key(state, event)
            )
        case SessionRegistered():
            return _moved(
                state, event, labels=event.labels, metadata=event.metadata, created_at=event.at
            )
        case SessionCheckpointed():
            return _moved(state, event, checkpoint_version=event.version)
        case SessionRetired() | SessionArchived():
            return _moved(state, event)
        case _:
            assert_never(event)


def _moved(state: Session, event: SessionEvent, **changes: Any) -> Session:
    """Return the state with what every event changes, and these changes."""
    return msgspec.structs.replace(
        state,
        version=event.version,
        updated_at=event.at,
        lifecycle=advance(state.lifecycle, event),
        **changes,
    )


def fold(state: Session, events: Iterable[SessionEvent]) -> Session:
    """Return the state after all of the events, in order."""
    for event in events:
        state = evolve(state, event)
    return state


def _extended(state: Session, event: TurnApplied | ContextAppended) -> Conversation:
    conversation = state.conversation
    return conversation.extend(event.messages, event.receipt.message_count - conversation.count)


def _with_key(state: Session, event: ContextAppended | ContextStaged) -> immutables.Map[str, int]:
    if event.idempotency_key is None:
        return state.keys
    return state.keys.set(event.idempotency_key, event.version)
