"""Failures of agents, in words that can be recorded and read again.

Invariants: no function here raises because of an agent's exception, however its attributes behave;
the result is plain text, a known kind, a truth value.
"""

from typing import Final, get_args

from perdure.errors import CallNotOpen, InvalidMessage, PerdureError
from perdure.runtime.turn.agent import AgentFailure
from perdure.values import Failed, FailureKind

_LONGEST_TEXT: Final = 10_000


def failed_as(error: AgentFailure, message: str) -> Failed:
    """Return the end of a run that failed like this, as every reader of the log can read it.

    An unknown kind, or one that cannot be read, is a failed ``turn``.
    """
    try:
        kinds: tuple[FailureKind, ...] = get_args(FailureKind)
        kind: FailureKind = next((known for known in kinds if known == error.kind), "turn")
        return Failed(kind, message, bool(error.recoverable))
    except Exception:  # noqa: BLE001 - the run is to end
        return Failed("turn", message)


def not_recorded(wrong: Exception) -> AgentFailure:
    """Return the failure of a run whose end was refused; raise other errors again."""
    match wrong:
        case CallNotOpen():
            return AgentFailure(str(wrong), recoverable=True)
        case InvalidMessage():
            return AgentFailure(str(wrong))
        case PerdureError():
            raise wrong
        case _:
            failure = AgentFailure(f"{type(wrong).__name__}: {said(wrong)}", kind="internal")
            failure.__cause__ = wrong  # which is logged
            return failure


def plain(text: str) -> str:
    """Return an error's text as JSON can carry it, cut to a readable length."""
    return text[:_LONGEST_TEXT].encode("utf-8", "backslashreplace").decode()


def said(by: object) -> str:
    """Return the text of an error or a reason as JSON can carry it, even if it has none."""
    try:
        return plain(str(by))
    except Exception as worse:  # noqa: BLE001 - the run is to end
        return f"its text cannot be read ({type(worse).__name__})"
