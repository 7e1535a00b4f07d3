"""The verbs over work in hand: tool calls, tool filters, and published events.

Invariants: the engine invents no result of a tool call: it comes from outside, or the call is
abandoned by a recorded decision.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from perdure.aggregates import (
    AbandonCall,
    Publish,
    StageToolFilter,
    StageToolResults,
    encode_messages,
)
from perdure.errors import InvalidArgument
from perdure.projections.catalog import SessionView, view_of
from perdure.runtime.arguments import encoded_json, optional_text
from perdure.runtime.core import Core
from perdure.runtime.recovery import read_recorded
from perdure.runtime.turn.running_turn import open_calls_of
from perdure.runtime.write import write
from perdure.values import OpenCall, checked_id

OpenCalls = list[OpenCall]


# Tool calls


async def open_calls(core: Core, session_id: str) -> OpenCalls:
    """Return the tool calls that have no result in the conversation yet, oldest first.

    Those of a run whose owner is gone are unknown, as they will be once the run is closed. Raises
    SessionNotFound.
    """
    core.check_open()
    return open_calls_of(await read_recorded(core, session_id))


async def stage_tool_results(
    core: Core, session_id: str, messages: Iterable[Mapping[str, Any]]
) -> OpenCalls:
    """Keep the results of open tool calls for the next turn, which begins with them.

    ``messages`` have the shape of the provider; each must answer open calls. The same results again
    change nothing. Returns the calls that are open, as `open_calls` does. Raises SessionNotFound,
    InvalidMessage, CallNotOpen, Conflict for a call of which another result is staged,
    IllegalTransition, StaleWriter.
    """
    core.check_open()
    command = StageToolResults(now=core.now(), messages=encode_messages(messages))
    written = await write(core, session_id, command)
    return open_calls_of(written.folded.state)


async def abandon_call(
    core: Core, session_id: str, call_id: str, *, reason: str | None = None
) -> OpenCalls:
    """Decide, on the record, that an open tool call will have no result.

    Returns the calls that are still open. Raises SessionNotFound, InvalidArgument, CallNotOpen,
    Conflict for a call whose result is staged, IllegalTransition for a session that has ended,
    StaleWriter.
    """
    core.check_open()
    if not isinstance(call_id, str):
        raise InvalidArgument("call_id must be text", parameter="call_id")
    given = str.__str__(call_id)  # providers' ids have no common form
    command = AbandonCall(now=core.now(), call_id=given, reason=optional_text(reason))
    written = await write(core, session_id, command)
    return open_calls_of(written.folded.state)


# Tool filters and published events


async def stage_tool_filter(core: Core, session_id: str, tool_filter: Any) -> SessionView:
    """Filter the agent's tools by this from the next boundary on; it may be any JSON value.

    That is the next boundary of the running turn, or the beginning of the next turn. The filter is
    recorded; a later one takes its place. Raises SessionNotFound, InvalidMessage, IllegalTransition
    for a session that has ended, StaleWriter.
    """
    core.check_open()
    command = StageToolFilter(now=core.now(), filter=encoded_json(tool_filter, "tool_filter"))
    return view_of((await write(core, session_id, command)).folded.state)


async def publish(core: Core, session_id: str, name: str, payload: Any = None) -> SessionView:
    """Record an event for the session's subscribers, who receive it once and in order.

    ``payload`` is any JSON value. Raises SessionNotFound, InvalidArgument, InvalidMessage,
    IllegalTransition for a session that has ended, StaleWriter.
    """
    core.check_open()
    command = Publish(
        now=core.now(),
        name=checked_id(name, "name"),
        payload=encoded_json(payload, "payload"),
    )
    return view_of((await write(core, session_id, command)).folded.state)
