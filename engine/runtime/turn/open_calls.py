"""The open calls of a session, as its agent and its callers see them.

Invariants: they are those of the session's state, in the order they were made.
"""

from perdure.aggregates import Session
from perdure.values import OpenCall, OpenCalls


def open_calls_of(state: Session) -> OpenCalls:
    """Return the session's open calls, in the order they were made."""
    calls = [
        OpenCall(
            id=call.id,
            name=call.name,
            arguments=call.arguments,
            status=call.status,
            version=call.version,
            message=call.message,
            place=call.place,
            kept=call.kept,
        )
        for call in state.work.calls
    ]
    made, count = state.work.calls_made, state.conversation.count
    return OpenCalls(calls, calls_made=made, message_count=count)
