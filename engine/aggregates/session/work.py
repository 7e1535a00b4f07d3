"""Work in hand: the run that is current, the inputs that wait, and the tool calls that are open.

Invariants: every input moves as the input machine says. An input or a call that has ended is
dropped from here and stays in the log, so the size is bounded by the pending work and does not grow
with the session.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from perdure.aggregates.session.call_shapes import FIRST_RULES, CallRules
from perdure.aggregates.session.calls import CallAnswered, CallMade, steps_in
from perdure.aggregates.session.open_calls import (
    Call,
    Calls,
    Key,
    call_for,
    calls_through,
    in_front,
    marked,
    pairs,
    staged_behind,
)
from perdure.aggregates.session.recorded import Lane
from perdure.errors import CallNotOpen, Conflict, IllegalTransition
from perdure.machines import LIFECYCLE, Authority, Configuration
from perdure.machines.builtin.input import INPUT

INPUTS: Final = Authority(INPUT)
"""The one authority over inputs."""

DROPS: Final = {"superseded": "supersede", "coalesced": "coalesce", "abandoned": "abandon"}
"""The verb of the input machine for each way to drop a queued input."""

_NAMED: Final = 5
"""How many inputs a refusal names in its text; its data names all."""

_LATER: Final = 1 << 62
"""Behind any message there is: where calls are that no conversation holds yet."""


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """An input that has not ended: where it is in its lifecycle, and its messages, a JSON array."""

    lane: Lane
    lifecycle: Configuration
    messages: msgspec.Raw

    def moved(self, verb: str, arguments: tuple[str, ...], input_id: str) -> "Input":
        """Return the input after a verb. Raises IllegalTransition where the machine refuses."""
        after = INPUTS.replay(self.lifecycle, verb, arguments, input_id)
        return msgspec.structs.replace(self, lifecycle=after)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The run that is current, and the epoch that owns it.

    - ``interrupt``: how the run was asked to end, the more urgent of two requests; None for none.
    - ``interrupt_reason``: the first reason given in such a request.
    - ``machine_owned``: only the machine may ask the run to end.
    - ``answered``: the calls whose results came from outside and landed with the run.
    - ``asked``: the run began with a request.
    """

    id: str
    epoch: str
    interrupt: Literal["interrupt", "cancel_after_boundary"] | None = None
    interrupt_reason: str | None = None
    machine_owned: bool = False
    answered: tuple[str, ...] = ()
    asked: bool = False


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The work in hand. Mappings are never changed in place.

    - ``inputs``: those that have not ended, in the order they were accepted.
    - ``calls``: the open tool calls.
    - ``calls_made``: how many calls were ever found in the conversation.
    - ``rules``: how calls are found in messages.
    - ``results``: the staged results of tool calls, each an encoded message, oldest first.
    - ``filter``: the filter of the agent's tools, in effect since ``filter_version``.
    - ``next_filter``: the filter that takes effect once a run begins or lands something, staged at
      ``next_filter_version``.
    """

    run: Run | None = None
    inputs: dict[str, Input] = {}
    calls: Calls = ()
    calls_made: int = 0
    results: tuple[msgspec.Raw, ...] = ()
    rules: CallRules = FIRST_RULES
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


def calls_after(work: Work, array: msgspec.Raw, start: int, version: int) -> Work:
    """Return the work after messages landed: calls made are open, calls answered are not.

    ``start`` is how many messages the conversation had before them.
    """
    steps = steps_in(array, work.rules)
    if not steps:
        return work
    return msgspec.structs.replace(
        work,
        calls=calls_through(work.calls, steps, work.rules, start=start, version=version),
        calls_made=work.calls_made + sum(isinstance(step, CallMade) for step in steps),
    )


def results_to_land(work: Work, behind: msgspec.Raw | bytes) -> tuple[msgspec.Raw, ...]:
    """Return the staged results that land in front of these messages, a JSON array."""
    steps = steps_in(behind, work.rules) if work.results else ()
    return staged_behind(work.calls, work.results, steps, work.rules) if steps else work.results


def calls_held_open(work: Work, results: Iterable[msgspec.Raw] = ()) -> Calls:
    """Return the calls that staged context and steering inputs wait for.

    ``results`` are those that land in front, and so answer theirs. By the first rules nothing
    waits.
    """
    if not work.calls or not work.rules.number:
        return ()
    waiting = tuple(call for call in work.calls if not call.kept)
    if not waiting:
        return ()
    steps = steps_in(b"[" + b",".join(map(bytes, results)) + b"]", work.rules)
    left = calls_through(work.calls, steps, work.rules, start=0, version=0)
    return tuple(call for call in left if not call.kept)


def answered_by(work: Work, array: msgspec.Raw, count: int) -> tuple[str, ...]:
    """Return the ids of the calls that the first so many of these messages answer."""
    messages = msgspec.json.decode(array, type=list[msgspec.Raw])[:count]
    steps = steps_in(b"[" + b",".join(map(bytes, messages)) + b"]", work.rules)
    answers = (step for step in steps if isinstance(step, CallAnswered))
    return tuple(answer.id for answer in answers if answer.id is not None)


def check_not_answered(session_id: str, work: Work, own: msgspec.Raw) -> None:
    """Refuse a second result of a call which an outside one has answered, or is about to.

    ``own`` are the run's request and the messages of its agent, which has taken no notice of that
    one. Where they begin with the result themselves, the staged one does not land.
    """
    executed = any(call.status == "executed" for call in work.calls)
    if work.run is None or not (work.run.answered or (executed and work.rules.number)):
        return
    steps = steps_in(own, work.rules)
    if executed and work.rules.number:
        found = pairs(work.calls, steps)
        front = in_front(found)
        for _, call in found:
            if call.status == "executed" and call.key not in front:
                because = "a staged result lands in front of the messages, which answer it again"
                raise CallNotOpen(session_id, call.id, because)
    waiting = list(work.calls)
    for step in steps:
        if isinstance(step, CallMade):
            waiting.extend(calls_through((), [step], work.rules, start=_LATER, version=0))
            continue
        answered = call_for(waiting, step)
        if answered is not None:
            waiting.remove(answered)
        elif step.id in work.run.answered:
            because = "it was answered from outside, by a result that landed during this run"
            raise CallNotOpen(session_id, str(step.id), because)


def check_waits_for(session_id: str, work: Work, own: msgspec.Raw, call_id: str) -> None:
    """Refuse to wait for a call that was never open during the run, or that ``own`` answers.

    ``own`` are the messages with which the run's agent ends.
    """
    steps = steps_in(own, work.rules)
    left = calls_through(work.calls, steps, work.rules, start=_LATER, version=0)
    answered = () if work.run is None else work.run.answered
    if call_id not in {*answered, *(call.id for call in left)}:
        raise CallNotOpen(session_id, call_id, "the agent says that it waits for its result")


def call_to_give_up(session_id: str, work: Work, call_id: str, key: Key | None) -> Call:
    """Return the call that is to be given up: the first of its id, or the one at its place.

    Raises CallNotOpen for one that is not open, Conflict for one whose result will land with the
    next turn.
    """
    same = [call for call in work.calls if call.id == call_id and key in (None, call.key)]
    if not same:
        raise CallNotOpen(session_id, call_id)
    call = next((call for call in same if call.status != "executed"), None)
    if call is None:
        raise Conflict(
            f"session {session_id!r} has a result staged for call {call_id!r}, which its next turn "
            "lands: it is not given up",
            session_id=session_id,
            key=call_id,
        )
    return call


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


def calls_in_doubt(work: Work) -> Calls:
    """Return the calls once the current run is interrupted: those without a result are unknown.

    That includes calls that an earlier run left open, because this run could answer them.
    """
    intended = [call.key for call in work.calls if call.status == "intended"]
    return marked(work.calls, intended, status="unknown")


def unknown_calls(work: Work) -> tuple[str, ...]:
    """Return the ids of the calls of which it is not recorded what became of them."""
    return tuple(call.id for call in work.calls if call.status == "unknown")
