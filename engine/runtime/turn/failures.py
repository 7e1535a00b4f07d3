"""What went wrong with an agent, in words that can be recorded and read again.

Invariants: nothing here raises for what an agent's exceptions do when they are asked; what is
returned is plain text, a known kind, a truth value.
"""

from typing import Final, get_args

from perdure.errors import CallNotOpen, InvalidMessage, PerdureError
from perdure.runtime.turn.agent import AgentFailure
from perdure.values import Failed, FailureKind

_LONGEST_TEXT: Final = 10_000


def failed_as(error: AgentFailure, message: str) -> Failed:
    """Return how a run ends that failed like this, as whoever reads the log can read it.

    What is no kind of failure, or cannot be told, is a failed ``turn``.
    """
    try:
        kinds: tuple[FailureKind, ...] = get_args(FailureKind)
        kind: FailureKind = next((known for known in kinds if known == error.kind), "turn")
        return Failed(kind, message, bool(error.recoverable))
    except Exception:  # noqa: BLE001 - whatever its attributes do, the run is to end
        return Failed("turn", message)


def not_recorded(wrong: Exception) -> AgentFailure:
    """Return how a run fails whose end cannot be recorded; raise what says nothing of that end."""
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
    """Return an error's text as JSON can carry it, and not more of it than anybody reads."""
    return text[:_LONGEST_TEXT].encode("utf-8", "backslashreplace").decode()


def said(by: object) -> str:
    """Return what an error or a reason says, as JSON can carry it; some cannot even say that."""
    try:
        return plain(str(by))
    except Exception as worse:  # noqa: BLE001 - whatever it raises, the run is to end
        return f"what it says cannot be told ({type(worse).__name__})"
