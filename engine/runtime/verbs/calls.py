"""The verbs over work in hand: tool calls, filters, what is published, and the control plane.

Invariants: nothing is made up for a tool call: it is answered from outside, or given up by a
recorded decision.
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
from perdure.runtime.recovery import recover_and_read
from perdure.runtime.turn.running_turn import open_calls_of
from perdure.runtime.write import write
from perdure.values import OpenCall, checked_id

OpenCalls = list[OpenCall]


# Tool calls


async def open_calls(core: Core, session_id: str) -> OpenCalls:
    """Return the tool calls that have no result in the conversation yet, oldest first.

    Raises SessionNotFound.
    """
    core.check_open()
    return open_calls_of(await recover_and_read(core, session_id))


async def stage_tool_results(
    core: Core, session_id: str, messages: Iterable[Mapping[str, Any]]
) -> OpenCalls:
    """Keep the results of open tool calls for the next turn, which will begin with them.

    ``messages`` are in the provider's own shape; each must answer open calls. The same results
    again change nothing. Returns the calls that are open, as `open_calls` does. Raises
    SessionNotFound, InvalidMessage, CallNotOpen, Conflict for a call with another result
    staged, IllegalTransition, StaleWriter.
    """
    core.check_open()
    command = StageToolResults(now=core.now(), messages=encode_messages(messages))
    written = await write(core, session_id, command)
    return open_calls_of(written.folded.state)


async def abandon_call(
    core: Core, session_id: str, call_id: str, *, reason: str | None = None
) -> OpenCalls:
    """Decide, on the record, that an open tool call will have no result.

    Returns the calls that are still open. Raises SessionNotFound, InvalidArgument,
    CallNotOpen, Conflict for a call whose result is staged, IllegalTransition for a session
    that has ended, StaleWriter.
    """
    core.check_open()
    if not isinstance(call_id, str):
        raise InvalidArgument("call_id must be text", parameter="call_id")
    given = str.__str__(call_id)  # of whatever form the provider gave it
    command = AbandonCall(now=core.now(), call_id=given, reason=optional_text(reason))
    written = await write(core, session_id, command)
    return open_calls_of(written.folded.state)


# Notes


async def stage_tool_filter(core: Core, session_id: str, tool_filter: Any) -> SessionView:
    """Filter the agent's tools like this from the next boundary on; any JSON value.

    For a turn that runs that is the next one that it lands; else the next turn's beginning.

    Recorded as a fact; one staged later takes its place. Raises SessionNotFound,
    InvalidMessage, IllegalTransition for a session that has ended, StaleWriter.
    """
    core.check_open()
    command = StageToolFilter(now=core.now(), filter=encoded_json(tool_filter, "tool_filter"))
    return view_of((await write(core, session_id, command)).folded.state)


async def publish(core: Core, session_id: str, name: str, payload: Any = None) -> SessionView:
    """Record something for the session's subscribers to learn, once and in order.

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
