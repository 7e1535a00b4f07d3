"""Values that cross every layer: ids, boundaries, receipts, usage.

Invariants: all are immutable; a receipt's field names are those of the service perdure ports,
and are part of the log format.
"""

from typing import Any, Literal

import msgspec

from engine.errors import InvalidArgument

MAX_ID_LENGTH = 255

Boundary = Literal["immediate", "run_start", "run_checkpoint"]
"""Where a run's effects land: at once, with the run's turn, or in the middle of a run."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a boundary landed: what the conversation was when it did.

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
turn itself; a hook said no, or broke; the executor was stopped; or perdure itself is at fault."""


class Completed(msgspec.Struct, frozen=True, tag_field="terminal", tag="completed"):
    """The run ended with a result, and all of it is in the log. ``result`` is any JSON value."""

    result: Any = None


class NoPendingBoundary(
    msgspec.Struct, frozen=True, tag_field="terminal", tag="no_pending_boundary"
):
    """The run ended and had nothing to land, so it has no receipt of its own."""


class CallbackPending(msgspec.Struct, frozen=True, tag_field="terminal", tag="callback_pending"):
    """The run landed and ended with a tool call whose result comes from outside.

    `Engine.stage_tool_results` brings it; ``arguments`` are as the model wrote them.
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


Terminal = Completed | NoPendingBoundary | CallbackPending | Failed | Cancelled
"""How a run ended."""


class ApplyOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn gives back: its receipt, how it ended, and a snapshot if one fell due.

    ``receipt`` is that of the run's last boundary; None where none landed. ``snapshot`` is the
    encoded snapshot that the growth policy took at this boundary, or None (most turns take none).
    ``duplicate`` says that the run was recorded before and that nothing was written now.
    """

    receipt: Receipt | None
    snapshot: bytes | None
    terminal: Terminal
    duplicate: bool = False


class ContextOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What appending or staging context gives back.

    ``receipt`` is that of the boundary that made the context part of the conversation; None while
    it is only staged.
    """

    status: Literal["applied", "staged", "duplicate"]
    receipt: Receipt | None


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
    """Return ``value`` if it is 1 to 255 printable characters.

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
    return str(value)
