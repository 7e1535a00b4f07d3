"""Whether an event records a command that is given again, so that a retry is safe.

Invariants: these functions compare the fields that the caller gave, never those that the log adds
(time, receipt, staged context).
"""

import hashlib

import msgspec

from perdure.aggregates.session.commands import (
    AcceptInput,
    AppendContext,
    BeginRun,
    RecordTurn,
    StageContext,
)
from perdure.aggregates.session.events import (
    ContextAppended,
    ContextStaged,
    InputAccepted,
    RunBegun,
    SessionEvent,
    TurnApplied,
)
from perdure.aggregates.session.messages import EncodedMessages


def same_turn(event: SessionEvent, command: RecordTurn) -> bool:
    """Whether the recorded event is this very turn: same messages, boundary, inputs and usage."""
    return (
        isinstance(event, TurnApplied)
        and event.receipt.boundary == command.boundary
        and event.receipt.contributing_input_ids == command.input_ids
        and event.usage == command.usage
        and _own_messages(event) == command.messages.joined
    )


def same_context(event: SessionEvent, command: AppendContext | StageContext) -> bool:
    """Whether the recorded event holds this very context: same text and same source."""
    return (
        isinstance(event, ContextAppended | ContextStaged)
        and event.source == command.source
        and bytes(event.messages)[1:-1] == command.message.joined
    )


def _own_messages(event: TurnApplied) -> bytes:
    """Return the turn's messages without the staged ones, which stand in front of them."""
    joined = bytes(event.messages)[1:-1]
    staged = event.staged_results + event.staged_context
    if not staged:
        return joined
    each = msgspec.json.decode(event.messages, type=list[msgspec.Raw])
    return b",".join(map(bytes, each[staged:]))


def same_run(event: SessionEvent, command: BeginRun) -> bool:
    """Whether the recorded event began this very run: same request, boundary and inputs."""
    return (
        isinstance(event, RunBegun)
        and event.boundary == command.boundary
        and event.input_ids == command.input_ids
        and event.request_digest == request_digest(command.request)
    )


def same_input(event: SessionEvent, command: AcceptInput) -> bool:
    """Whether the recorded event accepted this very input: same messages, lane and source."""
    return (
        isinstance(event, InputAccepted)
        and event.lane == command.lane
        and event.source == command.source
        and bytes(event.messages)[1:-1] == command.messages.joined
    )


def request_digest(request: EncodedMessages) -> str:
    """Return the hex SHA-256 of the request's JSON array."""
    return hashlib.sha256(request.array()).hexdigest()
