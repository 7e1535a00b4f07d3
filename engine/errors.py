"""One error tree: every failure a caller can meet has a stable code and carries its data.

Invariants: ``code`` never changes once released; ``data`` holds only values that JSON can carry;
the message names the refusal and, where there is a choice, the allowed alternatives.
"""

from collections.abc import Iterable
from typing import Any, ClassVar


class PerdureError(Exception):
    """Base of every error perdure raises on purpose.

    ``code`` is the stable, upper-case name; ``data`` the facts behind the message. ``retryable``
    says whether the same call can succeed later without being changed.
    """

    code: ClassVar[str] = "PERDURE_ERROR"
    retryable: bool = False

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.data: dict[str, Any] = data

    def describe(self) -> dict[str, Any]:
        """Return ``{"code", "message", "retryable", "data"}``, ready for JSON."""
        return {
            "code": self.code,
            "message": str(self),
            "retryable": self.retryable,
            "data": self.data,
        }


class InvalidArgument(PerdureError):
    """A parameter is malformed: an id, a label, a key, a limit, a URL."""

    code = "INVALID_ARGUMENT"


class InvalidMessage(PerdureError):
    """A message cannot be recorded verbatim as JSON; ``data["path"]`` says where.

    Paths read like Python: ``messages[2].content[0].score``. A lone surrogate in a key is written
    as its escape.
    """

    code = "INVALID_MESSAGE"

    def __init__(self, path: str, reason: str) -> None:
        path = path.encode("utf-8", "backslashreplace").decode()
        super().__init__(f"{path} {reason}", path=path, reason=reason)


class InvalidMachine(PerdureError):
    """A lifecycle declaration is wrong and cannot be built; ``data["row"]`` names the row."""

    code = "INVALID_MACHINE"


class SessionNotFound(PerdureError):
    """No event was ever recorded for this session id."""

    code = "SESSION_NOT_FOUND"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id!r}", session_id=session_id)


class ReceiptNotFound(PerdureError):
    """The session has no receipt for this run id and sequence."""

    code = "RECEIPT_NOT_FOUND"


class SessionBusy(PerdureError):
    """A turn of this session is in flight; nothing queues behind it.

    ``data["run_id"]`` is its run, None for a reservation and for a turn that is being recorded.
    """

    code = "SESSION_BUSY"
    retryable = True

    def __init__(self, session_id: str, run_id: str | None = None) -> None:
        which = "another turn" if run_id is None else f"run {run_id!r}"
        super().__init__(
            f"session {session_id!r} is busy: {which} is in flight",
            session_id=session_id,
            run_id=run_id,
        )


class AtCapacity(PerdureError):
    """The engine runs as many turns as it may; try again once one has ended."""

    code = "AT_CAPACITY"
    retryable = True

    def __init__(self, capacity: int) -> None:
        super().__init__(
            f"the engine runs {capacity} turns, the most that its max_active allows",
            capacity=capacity,
        )


class NoAgent(PerdureError):
    """The session has no agent attached, and the engine none to make for it."""

    code = "NO_AGENT"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id!r} has no agent: attach one, or open the engine with agents=",
            session_id=session_id,
        )


class SessionNotRunning(PerdureError):
    """The verb needs a running turn and there is none, or another than the one it names.

    ``data["run_id"]`` is the run that was named, ``data["current_run_id"]`` the one in flight.
    """

    code = "SESSION_NOT_RUNNING"

    def __init__(
        self, session_id: str, run_id: str | None = None, *, current: str | None = None
    ) -> None:
        named = "turn" if run_id is None else f"turn of run {run_id!r}"
        other = "" if current is None else f"; run {current!r} is in flight"
        super().__init__(
            f"session {session_id!r} runs no {named}{other}",
            session_id=session_id,
            run_id=run_id,
            current_run_id=current,
        )


class CallsUnresolved(PerdureError):
    """Tool calls are open, and the turn would leave them behind without a result.

    ``data["call_ids"]`` names them. Stage the result of each, abandon it, or begin the turn with
    its result; or say with ``open_calls`` what becomes of them.
    """

    code = "CALLS_UNRESOLVED"

    def __init__(self, session_id: str, calls: Iterable[tuple[str, str]]) -> None:
        named = list(calls)
        super().__init__(
            f"session {session_id!r} has tool calls without a result: "
            f"{', '.join(f'{call_id} ({status})' for call_id, status in named)}; stage their "
            "results or abandon them first, or say what becomes of them: open_calls='abandon' or "
            "'keep'",
            session_id=session_id,
            call_ids=[call_id for call_id, _ in named],
        )


class CallNotOpen(PerdureError):
    """The session has no tool call of this id that waits for a result."""

    code = "CALL_NOT_OPEN"

    def __init__(self, session_id: str, call_id: str, because: str = "") -> None:
        reason = f" ({because})" if because else ""
        super().__init__(
            f"session {session_id!r} has no open tool call {call_id!r}{reason}",
            session_id=session_id,
            call_id=call_id,
        )


class InputNotQueued(PerdureError):
    """The session has no queued input of this id."""

    code = "INPUT_NOT_QUEUED"

    def __init__(self, session_id: str, input_id: str) -> None:
        super().__init__(
            f"session {session_id!r} has no queued input {input_id!r}",
            session_id=session_id,
            input_id=input_id,
        )


class InputsFull(PerdureError):
    """The session has as many inputs in hand as it may; try again once a turn has taken some.

    ``data["capacity"]`` is that number: of inputs queued, and staged for the turn that runs.
    """

    code = "INPUTS_FULL"
    retryable = True

    def __init__(self, session_id: str, capacity: int) -> None:
        super().__init__(
            f"session {session_id!r} has {capacity} inputs in hand already, as many as it may",
            session_id=session_id,
            capacity=capacity,
        )


class IllegalTransition(PerdureError):
    """The machine has no such move from here; ``data["allowed"]`` lists the verbs it has."""

    code = "ILLEGAL_TRANSITION"

    def __init__(
        self,
        *,
        machine: str,
        subject: str,
        verb: str,
        phase: str,
        allowed: Iterable[str],
        because: str = "",
    ) -> None:
        verbs = sorted(allowed)
        reason = f" ({because})" if because else ""
        super().__init__(
            f"cannot {verb} {subject}: it is {phase}{reason}; "
            f"allowed: {', '.join(verbs) or 'nothing'}",
            machine=machine,
            subject=subject,
            verb=verb,
            phase=phase,
            allowed=verbs,
            because=because,
        )


class AuthorityRequired(PerdureError):
    """The verb belongs to the machine's owner and was fired without its token."""

    code = "AUTHORITY_REQUIRED"


class Conflict(PerdureError):
    """A run id or idempotency key was used before, with other content."""

    code = "CONFLICT"


class StaleWriter(PerdureError):
    """The session moved on since it was read; nothing was written.

    It is raised where the caller stated a version that is not the session's any more, where a run
    is not its owner's any more, and, ``retryable``, where others kept writing to the session for as
    long as a verb is decided again.
    """

    code = "STALE_WRITER"
    retryable = True

    def __init__(
        self, session_id: str, expected: int, actual: int, *, retryable: bool = True
    ) -> None:
        super().__init__(
            f"session {session_id!r} is at version {actual}, "
            f"but the write expected to follow version {expected}",
            session_id=session_id,
            expected_version=expected,
            actual_version=actual,
        )
        self.retryable = retryable


class StoreError(PerdureError):
    """The database is locked, full, read-only, damaged, missing, or not one of perdure's.

    ``retryable`` is True where it is locked or full.
    """

    code = "STORE_ERROR"


class LogCorrupt(PerdureError):
    """A recorded event contradicts itself, its neighbours or the machine."""

    code = "LOG_CORRUPT"

    def __init__(self, session_id: str, version: int, kind: str, detail: str) -> None:
        super().__init__(
            f"session {session_id!r}, version {version}: {detail}",
            session_id=session_id,
            version=version,
            kind=kind,
            detail=detail,
        )


class Unsupported(PerdureError):
    """This engine, store or version of perdure cannot do that."""

    code = "UNSUPPORTED"


class EngineClosed(PerdureError):
    """The engine was closed, or its block was left, before this call."""

    code = "ENGINE_CLOSED"
