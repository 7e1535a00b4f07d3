"""The events of a session.

Invariants: an event's tag is permanent and never derived from a Python name; events only grow (a
new field has a default, a new meaning is a new event); every event repeats its session id and
version, so that a row moved elsewhere contradicts itself. ``messages`` is always the last field,
so that its bytes can be found without parsing the messages.
"""

from typing import Literal

import msgspec

from perdure.aggregates.session.call_shapes import FIRST_RULES, CallPlace, CallRules
from perdure.aggregates.session.recorded import NO_OBJECT, NULL, DropOutcome, Lane, Recorded
from perdure.values import Boundary, FailureKind, Receipt, Usage

__all__ = [
    "BoundaryApplied",
    "CallAbandoned",
    "CallRulesAdopted",
    "CallsKept",
    "ContextAppended",
    "ContextStaged",
    "EventPublished",
    "InputAccepted",
    "InputsDropped",
    "InterruptRequested",
    "Landed",
    "MobJoined",
    "MobLeft",
    "RunBegun",
    "RunCancelled",
    "RunCompleted",
    "RunEnded",
    "RunFailed",
    "RunInterrupted",
    "RunRolledBack",
    "SessionArchived",
    "SessionAttached",
    "SessionCheckpointed",
    "SessionDestroyed",
    "SessionDetached",
    "SessionEvent",
    "SessionForked",
    "SessionRecycled",
    "SessionRegistered",
    "SessionReset",
    "SessionRetired",
    "SessionStopped",
    "ToolFilterStaged",
    "ToolResultsStaged",
    "TurnApplied",
    "tag_of",
]


class SessionRegistered(Recorded, frozen=True, kw_only=True, tag="session-registered"):
    """The session exists. ``metadata`` is a JSON object, kept as it came in.

    ``rules`` say how tool calls are found in its messages.
    """

    labels: dict[str, str] = msgspec.field(default_factory=dict)
    metadata: msgspec.Raw = msgspec.field(default_factory=lambda: NO_OBJECT)
    rules: CallRules = FIRST_RULES


class TurnApplied(Recorded, frozen=True, kw_only=True, tag="turn-applied"):
    """A whole run in one commit: begun, applied at its boundary, completed.

    ``messages`` is a JSON array: as many staged tool results as ``staged_results`` says, as many
    messages of staged context as ``staged_context`` says, then the turn's own messages.
    """

    receipt: Receipt
    usage: Usage | None = None
    staged_context: int = 0
    staged_results: int = 0
    messages: msgspec.Raw


class RunBegun(Recorded, frozen=True, kw_only=True, tag="run-begun"):
    """A run that the engine drives began, of these inputs, owned by ``epoch``.

    ``request_digest`` is the hex SHA-256 of the request's JSON array, by which a retry is known.
    ``machine_owned`` says that only the machine may ask for its end.
    """

    run_id: str
    boundary: Boundary
    epoch: str
    request_digest: str
    input_ids: tuple[str, ...] = ()
    machine_owned: bool = False


class BoundaryApplied(Recorded, frozen=True, kw_only=True, tag="boundary-applied"):
    """A run landed its messages so far, and goes on.

    ``messages`` holds, in this order, ``staged_results`` tool results and ``staged_context``
    messages that had been staged, the messages of the inputs that the receipt names, the request,
    and the agent's own. ``steered_input_ids`` are inputs that the run takes on from here.
    """

    receipt: Receipt
    usage: Usage | None = None
    staged_context: int = 0
    staged_results: int = 0
    steered_input_ids: tuple[str, ...] = ()
    messages: msgspec.Raw


class RunCompleted(Recorded, frozen=True, kw_only=True, tag="run-completed"):
    """A run ended well. With messages, it landed them as a last boundary, and has its receipt.

    ``terminal`` says how it ended; ``result`` is its result, for a callback the call that waits.
    ``messages`` are as in `BoundaryApplied`.
    """

    run_id: str
    terminal: Literal["completed", "no_pending_boundary", "callback_pending"]
    result: msgspec.Raw = msgspec.field(default_factory=lambda: NULL)
    receipt: Receipt | None = None
    usage: Usage | None = None
    staged_context: int = 0
    staged_results: int = 0
    messages: msgspec.Raw


class RunFailed(Recorded, frozen=True, kw_only=True, tag="run-failed"):
    """A run failed. Its inputs without a receipt are queued again, but for those abandoned."""

    run_id: str
    kind: FailureKind
    message: str
    recoverable: bool = False
    abandoned_input_ids: tuple[str, ...] = ()


class RunCancelled(Recorded, frozen=True, kw_only=True, tag="run-cancelled"):
    """A run was interrupted by its owner. Inputs are as in `RunFailed`."""

    run_id: str
    reason: str | None = None
    abandoned_input_ids: tuple[str, ...] = ()


class RunRolledBack(Recorded, frozen=True, kw_only=True, tag="run-rolled-back"):
    """A run was withdrawn before its agent was started. Inputs are as in `RunFailed`."""

    run_id: str
    reason: str | None = None
    abandoned_input_ids: tuple[str, ...] = ()


class RunInterrupted(Recorded, frozen=True, kw_only=True, tag="run-interrupted"):
    """A run ended because its owner is gone. Inputs are as in `RunFailed`.

    Tool calls that the run had landed without their results are unknown from here on.
    """

    run_id: str
    epoch: str
    abandoned_input_ids: tuple[str, ...] = ()


class InterruptRequested(Recorded, frozen=True, kw_only=True, tag="interrupt-requested"):
    """The run is to end: now, or after its next boundary. ``by`` says who asked for it."""

    run_id: str
    mode: Literal["interrupt", "cancel_after_boundary"]
    by: Literal["caller", "authority"] = "caller"
    reason: str | None = None


class InputAccepted(Recorded, frozen=True, kw_only=True, tag="input-accepted"):
    """An input waits for a run that will take it; ``messages`` holds its messages."""

    input_id: str
    lane: Lane = "queue"
    source: str | None = None
    idempotency_key: str | None = None
    messages: msgspec.Raw


class InputsDropped(Recorded, frozen=True, kw_only=True, tag="inputs-dropped"):
    """Queued inputs ended without being processed; ``into`` names the input that replaces them."""

    input_ids: tuple[str, ...]
    outcome: DropOutcome
    reason: str | None = None
    into: str | None = None


class ToolResultsStaged(Recorded, frozen=True, kw_only=True, tag="tool-results-staged"):
    """Results of open tool calls wait for the next turn, which will begin with them."""

    call_ids: tuple[str, ...]
    messages: msgspec.Raw


class CallAbandoned(Recorded, frozen=True, kw_only=True, tag="call-abandoned"):
    """The caller decided that an open tool call will have no result."""

    call_id: str
    reason: str | None = None
    message: int | None = None
    place: int | None = None


class CallsKept(Recorded, frozen=True, kw_only=True, tag="calls-kept"):
    """The conversation goes on without the results of these calls, which stay open."""

    calls: tuple[CallPlace, ...]
    reason: str | None = None


class CallRulesAdopted(Recorded, frozen=True, kw_only=True, tag="call-rules-adopted"):
    """From here on, tool calls are found in messages by these rules."""

    rules: CallRules


class ToolFilterStaged(Recorded, frozen=True, kw_only=True, tag="tool-filter-staged"):
    """``filter`` filters the agent's tools from the next boundary on."""

    filter: msgspec.Raw


class EventPublished(Recorded, frozen=True, kw_only=True, tag="event-published"):
    """A message of the embedder to subscribers, delivered in the order of the log."""

    name: str
    payload: msgspec.Raw = msgspec.field(default_factory=lambda: NULL)


class SessionForked(Recorded, frozen=True, kw_only=True, tag="session-forked"):
    """The session exists, and its conversation goes on from another's as it was at a version.

    ``origin_messages`` of them are kept, whose conversation digest is ``origin_digest``. ``rules``
    say how tool calls are found in its messages, those of its origin among them.
    """

    origin_session_id: str
    origin_version: int
    origin_messages: int
    origin_digest: str
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    metadata: msgspec.Raw = msgspec.field(default_factory=lambda: NO_OBJECT)
    rules: CallRules = FIRST_RULES


class SessionAttached(Recorded, frozen=True, kw_only=True, tag="session-attached"):
    """An executor is bound to the session; ``agent`` is its name."""

    agent: str | None = None


class SessionDetached(Recorded, frozen=True, kw_only=True, tag="session-detached"):
    """No executor is bound any more."""


class SessionStopped(Recorded, frozen=True, kw_only=True, tag="session-stopped"):
    """The executor is gone: stopped, or by itself. A run in flight was interrupted.

    Inputs are as in `RunFailed`.
    """

    cause: Literal["stop", "executor_exited"]
    reason: str | None = None
    abandoned_input_ids: tuple[str, ...] = ()


class SessionReset(Recorded, frozen=True, kw_only=True, tag="session-reset"):
    """The session started over, without its pending input."""

    abandoned_input_ids: tuple[str, ...] = ()


class SessionRecycled(Recorded, frozen=True, kw_only=True, tag="session-recycled"):
    """The session started over, with its pending input."""

    transferred_input_ids: tuple[str, ...] = ()


class SessionDestroyed(Recorded, frozen=True, kw_only=True, tag="session-destroyed"):
    """The session ended without being archived; its pending input was abandoned."""

    reason: str | None = None
    abandoned_input_ids: tuple[str, ...] = ()


class MobJoined(Recorded, frozen=True, kw_only=True, tag="mob-joined"):
    """The session belongs to a named group; the service that perdure ports calls it a mob."""

    mob: str


class MobLeft(Recorded, frozen=True, kw_only=True, tag="mob-left"):
    """The session belongs to that group no more."""

    mob: str


class ContextAppended(Recorded, frozen=True, kw_only=True, tag="context-appended"):
    """Context became part of the conversation at once; ``messages`` holds its one message."""

    receipt: Receipt
    source: str | None = None
    idempotency_key: str | None = None
    messages: msgspec.Raw


class ContextStaged(Recorded, frozen=True, kw_only=True, tag="context-staged"):
    """Context waits for the next turn, whose commit will make it part of the conversation.

    ``run_id`` is that of context which was to land at once and has to wait for tool results.
    """

    source: str | None = None
    idempotency_key: str | None = None
    run_id: str | None = None
    messages: msgspec.Raw


class SessionCheckpointed(Recorded, frozen=True, kw_only=True, tag="session-checkpointed"):
    """The state up to here is a checkpoint, with its number of messages and their digest."""

    message_count: int
    conversation_digest: str


class SessionRetired(Recorded, frozen=True, kw_only=True, tag="session-retired"):
    """No new input from here on."""

    reason: str | None = None


class SessionArchived(Recorded, frozen=True, kw_only=True, tag="session-archived"):
    """Nothing more will happen."""

    reason: str | None = None


SessionEvent = (
    SessionRegistered
    | SessionForked
    | SessionAttached
    | SessionDetached
    | TurnApplied
    | RunBegun
    | BoundaryApplied
    | RunCompleted
    | RunFailed
    | RunCancelled
    | RunRolledBack
    | RunInterrupted
    | InterruptRequested
    | InputAccepted
    | InputsDropped
    | ContextAppended
    | ContextStaged
    | ToolResultsStaged
    | CallAbandoned
    | CallsKept
    | CallRulesAdopted
    | ToolFilterStaged
    | EventPublished
    | MobJoined
    | MobLeft
    | SessionCheckpointed
    | SessionRetired
    | SessionStopped
    | SessionReset
    | SessionRecycled
    | SessionArchived
    | SessionDestroyed
)

Landed = TurnApplied | BoundaryApplied | RunCompleted | ContextAppended
"""The events that can make messages part of the conversation."""

RunEnded = RunCompleted | RunFailed | RunCancelled | RunRolledBack | RunInterrupted
"""The events that end a run which began with an event of its own."""

RunOver = RunEnded | SessionStopped | SessionDestroyed
"""The events after which no run is current."""

RunAborted = RunFailed | RunCancelled | RunRolledBack | RunInterrupted | SessionStopped
"""The events that end the current run, if there is one, without landing anything."""


def tag_of(event: SessionEvent) -> str:
    """Return the event's permanent tag."""
    return str(event.__struct_config__.tag)


def tags_of(*kinds: type[Recorded]) -> frozenset[str]:
    """Return the permanent tags of kinds of events."""
    return frozenset(str(kind.__struct_config__.tag) for kind in kinds)
