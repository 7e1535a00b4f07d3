"""The commands of a session, each with everything that deciding it needs.

Invariants: time, ids and randomness arrive on the command; a command is data and refuses nothing.
"""

from typing import Literal

import msgspec

from perdure.aggregates.session.call_shapes import CallShape
from perdure.aggregates.session.messages import NO_MESSAGES, EncodedMessages
from perdure.aggregates.session.recorded import NULL, DropOutcome, Lane
from perdure.aggregates.session.state import Origin
from perdure.values import Boundary, FailureKind, OpenCallsDecision, Usage

__all__ = [
    "AbandonCall",
    "AcceptInput",
    "AppendContext",
    "ApplyBoundary",
    "Archive",
    "Attach",
    "BeginRun",
    "CancelRun",
    "Command",
    "CommitCheckpoint",
    "CompleteRun",
    "Destroy",
    "Detach",
    "DropInputs",
    "FailRun",
    "Fork",
    "JoinMob",
    "LeaveMob",
    "OfRun",
    "Publish",
    "RecordTurn",
    "Recover",
    "Recycle",
    "Register",
    "RequestInterrupt",
    "Reset",
    "Retire",
    "RollBackRun",
    "SessionCommand",
    "StageContext",
    "StageToolFilter",
    "StageToolResults",
    "Stop",
]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of every command: the time it was given, RFC 3339 in UTC with microseconds.

    ``call_shapes`` are the embedder's own shapes of tool calls; a session that lands messages or
    stages results records them.
    """

    now: str
    call_shapes: tuple[CallShape, ...] = ()


class Register(Command, frozen=True, kw_only=True):
    """Make the session exist. None leaves labels or metadata as they are, or empty at first."""

    labels: dict[str, str] | None = None
    metadata: msgspec.Raw | None = None


class RecordTurn(Command, frozen=True, kw_only=True):
    """Record a turn that the embedder has already run.

    ``open_calls`` says what becomes of the open calls that it does not answer, and ``reason`` why.
    """

    run_id: str
    messages: EncodedMessages
    boundary: Boundary = "run_start"
    input_ids: tuple[str, ...] = ()
    usage: Usage | None = None
    open_calls: OpenCallsDecision | None = None
    reason: str | None = None


class AppendContext(Command, frozen=True, kw_only=True):
    """Make one encoded context message part of the conversation now.

    While tool calls are open it waits, as staged context does. ``run_id_given`` says that the
    caller chose the run id, and may ask again by it.
    """

    run_id: str
    run_id_given: bool = False
    message: EncodedMessages
    source: str | None = None
    idempotency_key: str | None = None


class StageContext(Command, frozen=True, kw_only=True):
    """Keep one encoded context message for the next turn."""

    message: EncodedMessages
    source: str | None = None
    idempotency_key: str | None = None


class CommitCheckpoint(Command, frozen=True, kw_only=True):
    """Record a checkpoint, unless nothing happened since the last one."""


class Retire(Command, frozen=True, kw_only=True):
    """Take no new input from here on."""

    reason: str | None = None


class Archive(Command, frozen=True, kw_only=True):
    """End the session for good; a live one is retired first, in the same commit.

    Queued input refuses it, unless it is abandoned, in the same commit too.
    """

    reason: str | None = None
    abandon_inputs: bool = False


class Fork(Command, frozen=True, kw_only=True):
    """Make the session exist, its conversation going on from another's."""

    origin: Origin
    labels: dict[str, str] | None = None
    metadata: msgspec.Raw | None = None


class Attach(Command, frozen=True, kw_only=True):
    """Bind an executor."""

    agent: str | None = None


class Detach(Command, frozen=True, kw_only=True):
    """Bind the executor no more."""


class BeginRun(Command, frozen=True, kw_only=True):
    """Begin a run that ``epoch`` owns, of a request and of queued inputs.

    ``open_calls`` and ``reason`` are as in `RecordTurn`.
    """

    run_id: str
    epoch: str
    boundary: Boundary = "run_start"
    request: EncodedMessages = NO_MESSAGES
    input_ids: tuple[str, ...] = ()
    machine_owned: bool = False
    open_calls: OpenCallsDecision | None = None
    reason: str | None = None


class OfRun(Command, frozen=True, kw_only=True):
    """The fields of every command by a run's owner: the run, and the epoch that owns it."""

    run_id: str
    epoch: str


class ApplyBoundary(OfRun, frozen=True, kw_only=True):
    """Land the run's messages so far, and take on the inputs that are queued to steer it.

    ``request`` lands with the run's first boundary, before the agent's own ``messages``.
    """

    request: EncodedMessages = NO_MESSAGES
    messages: EncodedMessages
    boundary: Boundary = "run_checkpoint"
    usage: Usage | None = None


class CompleteRun(OfRun, frozen=True, kw_only=True):
    """End the run well, landing its last messages.

    ``waits_for`` is the id of the call whose result is to come from outside.
    """

    request: EncodedMessages = NO_MESSAGES
    messages: EncodedMessages = NO_MESSAGES
    boundary: Boundary = "run_start"
    waits_for: str | None = None
    terminal: Literal["completed", "no_pending_boundary", "callback_pending"] = "completed"
    result: msgspec.Raw = NULL
    usage: Usage | None = None


class FailRun(OfRun, frozen=True, kw_only=True):
    """End the run as failed."""

    kind: FailureKind
    message: str
    recoverable: bool = False


class CancelRun(OfRun, frozen=True, kw_only=True):
    """End the run as interrupted by its owner."""

    reason: str | None = None


class RollBackRun(OfRun, frozen=True, kw_only=True):
    """Withdraw a run whose agent was never started."""

    reason: str | None = None


class Recover(Command, frozen=True, kw_only=True):
    """Close the run, if there is one, because its owner is gone."""


class RequestInterrupt(Command, frozen=True, kw_only=True):
    """Ask the current run to end, now or after its next boundary; ``run_id``, if it is this one."""

    mode: Literal["interrupt", "cancel_after_boundary"]
    by: Literal["caller", "authority"] = "caller"
    run_id: str | None = None
    reason: str | None = None


class AcceptInput(Command, frozen=True, kw_only=True):
    """Keep an input for a later run, or to steer the current one.

    ``capacity`` is how many inputs the session may have in hand; None for as many as its lifecycle
    allows.
    """

    input_id: str
    messages: EncodedMessages
    lane: Lane = "queue"
    source: str | None = None
    idempotency_key: str | None = None
    capacity: int | None = None


class DropInputs(Command, frozen=True, kw_only=True):
    """End queued inputs without processing them."""

    input_ids: tuple[str, ...]
    outcome: DropOutcome
    reason: str | None = None
    into: str | None = None


class StageToolResults(Command, frozen=True, kw_only=True):
    """Keep the results of open tool calls for the next turn."""

    messages: EncodedMessages


class AbandonCall(Command, frozen=True, kw_only=True):
    """Decide that an open tool call will have no result: the first of its id, or one at a place.

    ``key`` is the place of its message in the conversation, and its own in that message.
    """

    call_id: str
    key: tuple[int, int] | None = None
    reason: str | None = None


class StageToolFilter(Command, frozen=True, kw_only=True):
    """Filter the agent's tools like this from the next boundary on; any JSON value."""

    filter: msgspec.Raw


class Publish(Command, frozen=True, kw_only=True):
    """Record something for subscribers to learn."""

    name: str
    payload: msgspec.Raw = NULL


class Stop(Command, frozen=True, kw_only=True):
    """The executor is gone: stopped, or by itself."""

    cause: Literal["stop", "executor_exited"] = "stop"
    reason: str | None = None


class Reset(Command, frozen=True, kw_only=True):
    """Start over without the pending input."""


class Recycle(Command, frozen=True, kw_only=True):
    """Start over with the pending input."""


class Destroy(Command, frozen=True, kw_only=True):
    """End the session without archiving it."""

    reason: str | None = None


class JoinMob(Command, frozen=True, kw_only=True):
    """Belong to a named group."""

    mob: str


class LeaveMob(Command, frozen=True, kw_only=True):
    """Belong to a named group no more."""

    mob: str


OwnRunCommand = ApplyBoundary | CompleteRun | FailRun | CancelRun | RollBackRun
"""The commands that only the owner of the current run may give."""

TurnCommand = RecordTurn | BeginRun | OwnRunCommand
"""The commands that begin, land and end runs."""

LandingCommand = (
    RecordTurn | BeginRun | ApplyBoundary | CompleteRun | AppendContext | StageToolResults
)
"""What reads messages for tool calls."""

WorkCommand = (
    AcceptInput | DropInputs | StageToolResults | AbandonCall | StageToolFilter | RequestInterrupt
)
"""The commands that change the inputs, calls, tool filter or interrupt in hand."""

SessionCommand = (
    TurnCommand
    | WorkCommand
    | Register
    | Fork
    | Attach
    | Detach
    | AppendContext
    | StageContext
    | CommitCheckpoint
    | Publish
    | JoinMob
    | LeaveMob
    | Retire
    | Archive
    | Stop
    | Recover
    | Reset
    | Recycle
    | Destroy
)
