"""Work in hand: the run that is current, the inputs that wait, and the tool calls that are open.

Invariants: every input moves as the input machine says. An input or a call that has ended is
dropped from here and stays in the log, so the size is bounded by the pending work and does not grow
with the session.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from perdure.aggregates.session.calls import CallAnswered, tools_in
from perdure.aggregates.session.events import Lane
from perdure.errors import CallNotOpen, Conflict, IllegalTransition
from perdure.machines import LIFECYCLE, Authority, Configuration
from perdure.machines.builtin.input import INPUT

INPUTS: Final = Authority(INPUT)
"""The one authority over inputs."""

DROPS: Final = {"superseded": "supersede", "coalesced": "coalesce", "abandoned": "abandon"}
"""The verb of the input machine for each way to drop a queued input."""

_NAMED: Final = 5
"""How many inputs a refusal names in its text; its data names all."""

CallStatus = Literal["intended", "executed", "unknown"]
"""A call was made; its result is staged; or a run that may have made it was interrupted."""


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """An input that has not ended: where it is in its lifecycle, and its messages, a JSON array."""

    lane: Lane
    lifecycle: Configuration
    messages: msgspec.Raw

    def moved(self, verb: str, arguments: tuple[str, ...], input_id: str) -> "Input":
        """Return the input after a verb. Raises IllegalTransition where the machine refuses."""
        after = INPUTS.replay(self.lifecycle, verb, arguments, input_id)
        return msgspec.structs.replace(self, lifecycle=after)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that has no result in the conversation yet; ``version`` is where it was made."""

    name: str
    arguments: Any = None
    version: int
    status: CallStatus = "intended"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The run that is current, and the epoch that owns it.

    - ``interrupt``: how the run was asked to end, the more urgent of two requests; None for none.
    - ``interrupt_reason``: the first reason given in such a request.
    - ``machine_owned``: only the machine may ask the run to end.
    - ``answered``: the calls whose results came from outside and landed with the run.
    """

    id: str
    epoch: str
    interrupt: Literal["interrupt", "cancel_after_boundary"] | None = None
    interrupt_reason: str | None = None
    machine_owned: bool = False
    answered: tuple[str, ...] = ()


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The work in hand. Mappings are never changed in place.

    - ``inputs``: those that have not ended, in the order they were accepted.
    - ``calls``: the open tool calls.
    - ``results``: the staged results of tool calls, each an encoded message, oldest first.
    - ``filter``: the filter of the agent's tools, in effect since ``filter_version``.
    - ``next_filter``: the filter that takes effect once a run begins or lands something, staged at
      ``next_filter_version``.
    """

    run: Run | None = None
    inputs: dict[str, Input] = {}
    calls: dict[str, Call] = {}
    results: tuple[msgspec.Raw, ...] = ()
    filter: msgspec.Raw | None = None
    filter_version: int = 0
    next_filter: msgspec.Raw | None = None
    next_filter_version: int = 0


NO_WORK: Final = Work()


class Ended(NamedTuple):
    """The inputs after a run's end, and the ids of those abandoned: staged too often."""

    inputs: dict[str, Input]
    abandoned: tuple[str, ...]


def in_phase(work: Work, *phases: str) -> tuple[str, ...]:
    """Return the ids of the inputs in one of these phases, in the order they were accepted."""
    return tuple(
        input_id for input_id, item in work.inputs.items() if item.lifecycle.phase in phases
    )


def queued(work: Work, lane: Lane | None = None) -> tuple[str, ...]:
    """Return the ids of the queued inputs, of one lane or all, in the order they were accepted."""
    return tuple(i for i in in_phase(work, "queued") if lane in (None, work.inputs[i].lane))


def staged_inputs(work: Work) -> tuple[str, ...]:
    """Return the ids of the inputs that the current run has taken and no receipt names yet."""
    return in_phase(work, "staged")


def messages_of(work: Work, input_ids: Iterable[str]) -> list[bytes]:
    """Return the messages of each input, encoded, without brackets."""
    return [bytes(work.inputs[input_id].messages)[1:-1] for input_id in input_ids]


def moved(
    inputs: Mapping[str, Input], verb: str, input_ids: Iterable[str], *arguments: str
) -> dict[str, Input]:
    """Return the inputs after a verb of some of them, without those that it ended.

    Raises IllegalTransition where the machine refuses, and KeyError for one that is not there.
    """
    after = dict(inputs)
    for input_id in input_ids:
        item = after[input_id].moved(verb, arguments, input_id)
        if item.lifecycle.phase in INPUT.final:
            del after[input_id]
        else:
            after[input_id] = item
    return after


def run_ended(work: Work, run_id: str) -> Ended:
    """Return the inputs after a run that ended, however it did.

    An input that a receipt names is consumed. Any other is queued again, or abandoned where the
    machine says that it was staged too often.
    """
    inputs = moved(work.inputs, "consume", in_phase(work, "applied"), run_id)
    waiting = staged_inputs(work)
    inputs = moved(inputs, "roll_back", waiting, run_id)
    return Ended(inputs, tuple(input_id for input_id in waiting if input_id not in inputs))


def calls_after(work: Work, array: msgspec.Raw, version: int) -> Work:
    """Return the work after messages landed: calls made are open, calls answered are not."""
    tools = tools_in(array)
    if tools is None:
        return work
    calls = dict(work.calls)
    for step in tools.steps:
        if isinstance(step, CallAnswered):
            calls.pop(step.id, None)
        else:
            calls[step.id] = Call(name=step.name, arguments=step.arguments, version=version)
    return msgspec.structs.replace(work, calls=calls)


def results_to_land(work: Work, behind: msgspec.Raw | bytes) -> tuple[msgspec.Raw, ...]:
    """Return the staged results that land in front of these messages, a JSON array.

    A call has one result in the conversation. So a staged result stays out where the messages
    behind it answer all of its calls, as an agent does that has not seen the staged result.
    """
    tools = tools_in(behind) if work.results else None
    if tools is None:
        return work.results
    answered: set[str] = set()
    made: set[str] = set()  # again, under the id of a call before
    for step in tools.steps:
        if not isinstance(step, CallAnswered):
            made.add(step.id)
        elif step.id not in made:
            answered.add(step.id)
    return tuple(
        message
        for message in work.results
        if (own := tools_in(b"[" + bytes(message) + b"]")) is None
        or not answered.issuperset(own.answered)
    )


def answered_by(array: msgspec.Raw, count: int) -> tuple[str, ...]:
    """Return the ids of the calls that the first so many of these messages answer."""
    messages = msgspec.json.decode(array, type=list[msgspec.Raw])[:count]
    tools = tools_in(b"[" + b",".join(map(bytes, messages)) + b"]")
    return () if tools is None else tuple(tools.answered)


def check_not_answered(session_id: str, work: Work, own: msgspec.Raw) -> None:
    """Refuse a second result of a call that was answered from outside during the run.

    ``own`` are the messages of the run's agent.
    """
    tools = tools_in(own) if work.run is not None and work.run.answered else None
    if work.run is None or tools is None:
        return
    waiting = set(work.calls)
    for step in tools.steps:
        if not isinstance(step, CallAnswered):
            waiting.add(step.id)
        elif step.id in waiting:
            waiting.remove(step.id)
        elif step.id in work.run.answered:
            because = "it was answered from outside, by a result that landed during this run"
            raise CallNotOpen(session_id, step.id, because)


def check_waits_for(session_id: str, work: Work, own: msgspec.Raw, call_id: str) -> None:
    """Refuse to wait for a call that was never open during the run, or that ``own`` answers.

    ``own`` are the messages with which the run's agent ends.
    """
    waiting = {*work.calls, *(work.run.answered if work.run else ())}
    tools = tools_in(own)
    for step in tools.steps if tools is not None else ():
        if isinstance(step, CallAnswered):
            waiting.discard(step.id)
        else:
            waiting.add(step.id)
    if call_id not in waiting:
        raise CallNotOpen(session_id, call_id, "the agent says that it waits for its result")


def check_without_result(session_id: str, work: Work, call_id: str) -> None:
    """Refuse to abandon a call that is not open, or whose result will land with the next turn."""
    if call_id not in work.calls:
        raise CallNotOpen(session_id, call_id)
    if work.calls[call_id].status == "executed":
        raise Conflict(
            f"session {session_id!r} has a result staged for call {call_id!r}, which its next turn "
            "lands: it is not given up",
            session_id=session_id,
            key=call_id,
        )


def kept_by_inputs(
    verb: str, session_id: str, lifecycle: Configuration, input_ids: tuple[str, ...]
) -> IllegalTransition:
    """Return the refusal of a verb while these inputs are queued."""
    names = ", ".join(map(repr, input_ids[:_NAMED])) + (", …" if input_ids[_NAMED:] else "")
    are = "input is" if len(input_ids) == 1 else "inputs are"
    refusal = IllegalTransition(
        machine=LIFECYCLE.machine.name,
        subject=f"session {session_id!r}",
        verb=verb,
        phase=lifecycle.phase,
        allowed=LIFECYCLE.allowed(lifecycle),
        because=f"{len(input_ids)} {are} queued: {names}; "
        "abandon or drain them: pending='abandon' or 'drain'",
    )
    refusal.data["input_ids"] = list(input_ids)
    return refusal


def calls_in_doubt(work: Work) -> dict[str, Call]:
    """Return the calls once the current run is interrupted: those without a result are unknown.

    That includes calls that an earlier run left open, because this run could answer them.
    """
    return {
        call_id: msgspec.structs.replace(call, status="unknown")
        if call.status == "intended"
        else call
        for call_id, call in work.calls.items()
    }


def unknown_calls(work: Work) -> tuple[str, ...]:
    """Return the ids of the calls whose outcome is unknown."""
    return tuple(i for i, call in work.calls.items() if call.status == "unknown")
