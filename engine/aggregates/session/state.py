"""The session's state, and the lifecycle verbs that its events stand for.

Invariants: state is a function of the events alone; where a session is in its lifecycle is what the
authority says after replaying those verbs.
"""

from typing import Final

import immutables
import msgspec

from perdure.aggregates.session.calls import tools_in
from perdure.aggregates.session.conversation import EMPTY, Conversation
from perdure.aggregates.session.events import (
    NO_OBJECT,
    BoundaryApplied,
    CallAbandoned,
    ContextAppended,
    ContextStaged,
    EventPublished,
    InputAccepted,
    InputsDropped,
    InterruptRequested,
    MobJoined,
    MobLeft,
    RunBegun,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    RunRolledBack,
    SessionArchived,
    SessionAttached,
    SessionCheckpointed,
    SessionDestroyed,
    SessionDetached,
    SessionEvent,
    SessionForked,
    SessionRecycled,
    SessionRegistered,
    SessionReset,
    SessionRetired,
    SessionStopped,
    ToolFilterStaged,
    ToolResultsStaged,
    TurnApplied,
)
from perdure.aggregates.session.work import NO_WORK, Work, unknown_calls
from perdure.machines import LIFECYCLE, Configuration, Value
from perdure.values import Usage

Step = tuple[str, tuple[Value, ...]]
Steps = tuple[Step, ...]

_SINGLE_STEPS: Final[dict[type, Steps]] = {
    SessionRegistered: (("register", ()),),
    SessionForked: (("register", ()),),
    SessionAttached: (("attach", ()),),
    SessionDetached: (("detach", ()),),
    InputAccepted: (("accept_input", ()),),
    ContextAppended: (("append_context", ()),),
    ContextStaged: (("stage_context", ()),),
    ToolResultsStaged: (("stage_tool_results", ()),),
    CallAbandoned: (("note", ()),),
    ToolFilterStaged: (("note", ()),),
    EventPublished: (("note", ()),),
    MobJoined: (("note", ()),),
    MobLeft: (("note", ()),),
    SessionCheckpointed: (("checkpoint", ()),),
    SessionRetired: (("retire", ()),),
    SessionReset: (("reset", ()),),
    SessionRecycled: (("recycle", ()),),
    SessionArchived: (("archive", ()),),
    SessionDestroyed: (("destroy", ()),),
}

_MAX_AFTER_TURN: Final = 1024
_AFTER_TURN: Final[dict[tuple[Configuration, int], Configuration]] = {}
"""Where whole turns lead, remembered. A run id is opaque to the machine, which only ever compares
it, and a whole turn begins and ends its own run, so which id it was makes no difference."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a fork comes from: the messages that it keeps of another session at a version."""

    session_id: str
    version: int
    message_count: int
    conversation_digest: str


REPLACEMENT_RUN: Final = "fork-replacement"
"""The run by which a fork puts a message in place of its origin's."""


def origin_in(event: SessionForked) -> Origin:
    """Return the origin that an event names."""
    return Origin(
        session_id=event.origin_session_id,
        version=event.origin_version,
        message_count=event.origin_messages,
        conversation_digest=event.origin_digest,
    )


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision about a session can depend on.

    ``runs``, ``inputs`` and ``keys`` map run ids, input ids and idempotency keys to the version
    that recorded them first; ``staged`` holds the encoded context messages waiting for the next
    turn, ``work`` whatever else is in hand; ``checkpoint_version`` is the version of the last
    checkpoint, or 0.
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
    inputs: immutables.Map[str, int] = immutables.Map()
    keys: immutables.Map[str, int] = immutables.Map()
    checkpoint_version: int = 0
    work: Work = NO_WORK
    mobs: tuple[str, ...] = ()
    origin: Origin | None = None
    created_at: str = ""
    updated_at: str = ""

    @property
    def phase(self) -> str:
        """Return the lifecycle phase."""
        return self.lifecycle.phase


def calls_in_the_way(
    state: Session, run_id: str, recorded: msgspec.Raw | None = None
) -> tuple[str, ...]:
    """Return the unknown calls because of which a run cannot begin, or be ``recorded`` as a turn.

    A message that a fork begins with in place of its origin's may be what came of a call.
    """
    unknown = unknown_calls(state.work)
    replaces = run_id == REPLACEMENT_RUN and state.version == 1 and state.origin is not None
    tools = tools_in(recorded) if unknown and replaces and recorded is not None else None
    return tuple(one for one in unknown if tools is None or one not in tools.answered)


def initial_state(
    session_id: str, conversation: Conversation = EMPTY, work: Work = NO_WORK
) -> Session:
    """Return the state of a session of which nothing is recorded yet.

    ``conversation`` is what a fork goes on from, and ``work`` holds the tool calls that are open in
    it; every other session starts with none.
    """
    return Session(id=session_id, conversation=conversation, work=work)


def steps(event: SessionEvent) -> Steps:
    """Return the lifecycle verbs, with arguments, that the event stands for.

    A turn recorded whole is a run begun, applied and completed in one commit, so it needs no row
    of its own in the declaration; nor does the end of a run that lands a last boundary.
    """
    match event:
        case TurnApplied():
            run = event.receipt.run_id
            inputs = len(event.receipt.contributing_input_ids)
            return (
                ("begin_run", (run, inputs)),
                ("apply_boundary", (run, 0)),
                ("complete_run", (run,)),
            )
        case RunBegun():
            return (("begin_run", (event.run_id, len(event.input_ids))),)
        case BoundaryApplied():
            return (("apply_boundary", (event.receipt.run_id, len(event.steered_input_ids))),)
        case RunCompleted():
            completed = ("complete_run", (event.run_id,))
            if event.receipt is None:
                return (completed,)
            return (("apply_boundary", (event.run_id, 0)), completed)
        case RunFailed():
            return (("fail_run", (event.run_id,)), *_dropping(event.abandoned_input_ids))
        case RunCancelled():
            return (("cancel_run", (event.run_id,)), *_dropping(event.abandoned_input_ids))
        case RunRolledBack():
            return (("roll_back_run", (event.run_id,)), *_dropping(event.abandoned_input_ids))
        case RunInterrupted():
            return (("recover", ()), *_dropping(event.abandoned_input_ids))
        case SessionStopped():
            return ((event.cause, ()), *_dropping(event.abandoned_input_ids))
        case InterruptRequested():
            return ((event.mode, ()),)
        case InputsDropped():
            return _dropping(event.input_ids)
        case _:
            return _SINGLE_STEPS[type(event)]


def _dropping(input_ids: tuple[str, ...]) -> Steps:
    return (("drop_input", (len(input_ids),)),) if input_ids else ()


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
