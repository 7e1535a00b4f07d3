"""Values that cross every layer: ids, boundaries, receipts, usage.

Invariants: all are immutable; a receipt's field names are those of the service perdure ports,
and are part of the log format.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from perdure.errors import InvalidArgument

MAX_ID_LENGTH = 255

Boundary = Literal["immediate", "run_start", "run_checkpoint"]
"""Where a run's effects land: at once, with the run's turn, or in the middle of a run."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a boundary landed: the state of the conversation at that moment.

    ``conversation_digest`` is the hex SHA-256 of the JSON array of all messages recorded so far
    (``[m1,m2,…]``, compact), ``message_count`` their number, and ``sequence`` counts the
    boundaries of this run from 1.
    """

    run_id: str
    boundary: Boundary
    contributing_input_ids: tuple[str, ...]
    conversation_digest: str
    message_count: int
    sequence: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens spent, as the provider reported them; a session's usage is the sum over its turns."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum, field by field."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


FailureKind = Literal[
    "rejected", "context", "turn", "hook_denied", "hook_failed", "stopped", "internal"
]
"""Why a run failed: the agent refused the request, could not take its context, or failed in the
turn itself; a hook said no, or broke; the executor was stopped; or, ``internal``, there was no
agent to be made, or perdure itself is at fault."""


class Completed(msgspec.Struct, frozen=True, tag_field="terminal", tag="completed"):
    """The run ended with a result, and all of it is in the log. ``result`` is any JSON value."""

    result: Any = None


class NoPendingBoundary(
    msgspec.Struct, frozen=True, tag_field="terminal", tag="no_pending_boundary"
):
    """The run ended and had nothing to do, so its end lands nothing and has no receipt.

    If it brought messages after all, or had taken inputs, those land, and the end has a receipt.
    """


class CallbackPending(msgspec.Struct, frozen=True, tag_field="terminal", tag="callback_pending"):
    """The run landed and ended with a tool call whose result comes from outside.

    `Engine.stage_tool_results` brings it; ``arguments`` are as the model wrote them. A
    ``call_id`` must be that of an open call, or the run fails.
    """

    tool_name: str
    arguments: Any = None
    call_id: str | None = None


class Failed(msgspec.Struct, frozen=True, tag_field="terminal", tag="failed"):
    """The run failed. The session is as it was before it, but for the boundaries it had landed."""

    kind: FailureKind
    message: str
    recoverable: bool = False


class Cancelled(msgspec.Struct, frozen=True, tag_field="terminal", tag="cancelled"):
    """The run was interrupted; the boundaries it had landed stay."""

    reason: str | None = None


class OwnerLost(msgspec.Struct, frozen=True, tag_field="terminal", tag="owner_lost"):
    """The run's owner was gone, and another engine closed the run; its boundaries stay.

    No caller asked for that: unlike a run that was cancelled, it may well be tried again.
    """


Terminal = Completed | NoPendingBoundary | CallbackPending | Failed | Cancelled | OwnerLost
"""How a run ended."""


class ApplyOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a turn: its receipt, how it ended, and a snapshot if one fell due.

    ``receipt`` is that of the run's last boundary; None where none landed. ``snapshot`` is the
    encoded snapshot that the growth policy took at this boundary, or None (most turns take none).
    ``duplicate`` says that the run was recorded before and that nothing was written now.
    """

    receipt: Receipt | None
    snapshot: bytes | None
    terminal: Terminal
    duplicate: bool = False


class ContextOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The result of appending or staging context.

    ``receipt`` is that of the context's own boundary; None where it was staged, and lands with the
    boundary of a turn.
    """

    status: Literal["applied", "staged", "duplicate"]
    receipt: Receipt | None


class IngestOutput(msgspec.Struct, frozen=True, kw_only=True):
    """The result of accepting an input; ``duplicate`` says that it was accepted before."""

    status: Literal["accepted", "duplicate"]
    input_id: str


class OpenCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that has no result in the conversation yet.

    ``arguments`` are as the model wrote them; ``version`` is where the call was recorded (1 for one
    that a fork began with). Its ``status`` is intended; executed, once its result is staged; or
    unknown, where the run that made it failed, was interrupted or lost its owner, and in a fork
    where the origin's run may have executed it (see `Engine.fork`). ``message`` is the place of its
    message in the conversation, ``place`` its own among that message's calls; a call that its
    provider gave no id is called ``#message.place``. While it is ``kept``, turns go on without its
    result.
    """

    id: str
    name: str
    arguments: Any
    status: Literal["intended", "executed", "unknown"]
    version: int
    message: int
    place: int
    kept: bool = False


OpenCallsDecision = Literal["abandon", "keep"]
"""What a caller decides about open calls that a turn leaves without a result."""


class OpenCalls(list[OpenCall]):
    """The open calls of a session, oldest first.

    ``calls_made`` is how many calls its conversation has held, ``message_count`` how many messages.
    Where no call was made, none may have been recognised: see `Engine.open_calls`.
    """

    def __init__(
        self, calls: Iterable[OpenCall] = (), *, calls_made: int = 0, message_count: int = 0
    ) -> None:
        super().__init__(calls)
        self.calls_made = calls_made
        self.message_count = message_count

    @property
    def summary(self) -> str:
        """What there is, in words: none open is told apart from none that was recognised."""
        if self:
            return f"{len(self)} open"
        if self.calls_made:
            return f"none open of {self.calls_made} made"
        return f"no known shape of a call among {self.message_count} messages"


class StopReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of stopping: the run that it interrupted, and where that run's inputs went."""

    run_id: str | None
    requeued: tuple[str, ...]
    abandoned: tuple[str, ...]


class RetireReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of retiring: the inputs abandoned (none ever is), and those that still drain."""

    abandoned: tuple[str, ...]
    pending_drain: tuple[str, ...]


class ResetReport(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs that a reset abandoned."""

    abandoned: tuple[str, ...]


class RecycleReport(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs that were carried over."""

    transferred: tuple[str, ...]


class RecoverReport(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs of a run whose owner is gone, by where they went.

    - ``recovered``: named by a receipt of the run, so they count as consumed.
    - ``requeued``: named by none, and queued again.
    - ``abandoned``: named by none, and staged too often to be queued again.
    - ``details``: the same in sentences, and the tool calls that are unknown now.
    """

    run_id: str | None
    recovered: tuple[str, ...]
    abandoned: tuple[str, ...]
    requeued: tuple[str, ...]
    details: tuple[str, ...]


class DestroyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs that ended with the session."""

    abandoned: tuple[str, ...]


class RuntimeState(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a session in hand: its run, inputs, open calls and staged messages.

    - ``ownerless``: no engine drives the run any more. An engine that can write closes such a run,
      so only an engine that cannot write shows this.
    - ``queued``, ``staged``: ids of inputs that wait, and of those that the run has taken.
    - ``staged_context``, ``staged_results``: how many messages wait for the next boundary.
    - ``tool_filter``, ``next_tool_filter``: the filter in effect, and the one that takes effect at
      the next boundary; None for none.
    """

    session_id: str
    phase: str
    version: int
    current_run: str | None
    ownerless: bool = False
    cancel_requested: bool
    queued: tuple[str, ...]
    staged: tuple[str, ...]
    open_calls: list[OpenCall]
    staged_context: int
    staged_results: int
    tool_filter: Any
    next_tool_filter: Any
    mobs: tuple[str, ...]


class MobMember(msgspec.Struct, frozen=True, kw_only=True):
    """The result of archiving a group for one session; ``code`` and ``message`` say why not."""

    session_id: str
    outcome: Literal["archived", "already_ended", "refused"]
    code: str | None = None
    message: str | None = None


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A committed checkpoint; ``changed`` is False where nothing had happened since the last."""

    session_id: str
    version: int
    message_count: int
    conversation_digest: str
    changed: bool


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A session's newest link. Kept elsewhere, it shows later whether the tail was cut off."""

    session_id: str
    version: int
    link: str


def checked_id(value: object, what: str) -> str:
    """Return ``value`` if it is 1 to 255 printable characters; as plain text, if it is an enum's.

    Raises InvalidArgument naming ``what`` otherwise. Lone surrogates and control characters are
    not printable in the sense of `str.isprintable`.
    """
    if not isinstance(value, str):
        raise InvalidArgument(
            f"{what} must be text, not {type(value).__name__}", parameter=what, value=repr(value)
        )
    if not value:
        raise InvalidArgument(f"{what} is empty", parameter=what, value=value)
    if len(value) > MAX_ID_LENGTH:
        raise InvalidArgument(
            f"{what} is {len(value)} characters long; the limit is {MAX_ID_LENGTH}",
            parameter=what,
            value=ascii(value[:40]),
        )
    if not value.isprintable():
        position = next(i for i, c in enumerate(value) if not c.isprintable())
        raise InvalidArgument(
            f"{what} has an unprintable character {value[position]!a} at index {position}",
            parameter=what,
            value=ascii(value),
        )
    return str.__str__(value)
