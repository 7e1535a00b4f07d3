"""What the audit says of a log, the same law says when it is asked for the trace alone."""

import asyncio
from typing import Any

import pytest

from perdure import Engine
from perdure.aggregates import fold, initial_state
from perdure.aggregates.session.lifecycle import steps
from perdure.machines import SESSION, Authority
from perdure.projections import audit_session
from perdure.store import Mapper, links
from perdure.store.recorder import RawRow
from perdure.testing import validate_trace

LAW = Authority(SESSION)
MESSAGE = {"role": "user", "content": "hello"}


async def recorded() -> list[Any]:
    """The events of a session that did what a session does."""
    async with Engine.open("memory:") as engine:
        await engine.register("s")
        await engine.record_turn("s", [MESSAGE], run_id="run-1")
        await engine.stage_context("s", "be brief")
        await engine.record_turn("s", [MESSAGE], run_id="run-2")
        await engine.checkpoint("s")
        await engine.retire("s")
        await engine.archive("s")
        return [Mapper().decode(row.state) for row in engine._core.store.recorder.select_rows("s")]


EVENTS = asyncio.run(recorded())


def findings(events: list[Any]) -> list[Any]:
    """What the audit finds in a log of these events, whose links follow and whose versions fit."""
    rows, _ = Mapper().to_stored(events, links.genesis("s"))
    raw = [RawRow(n, r.session_id, r.version, r.topic, r.state) for n, r in enumerate(rows, 1)]
    return audit_session("s", raw, Mapper())


def renumbered(events: list[Any]) -> list[Any]:
    return [
        type(one)(**{f: getattr(one, f) for f in one.__struct_fields__} | {"version": n})
        for n, one in enumerate(events, 1)
    ]


def test_a_recorded_session_is_a_legal_trace_and_ends_where_its_fold_does() -> None:
    trace = validate_trace(LAW, EVENTS, steps=steps)
    assert (trace.ok, trace.finished, trace.events) == (True, True, len(EVENTS))
    assert trace.configuration == fold(initial_state("s"), EVENTS).lifecycle
    assert findings(EVENTS) == []


@pytest.mark.parametrize("moved", range(1, len(EVENTS)))
def test_the_audit_and_the_trace_find_the_same_first_illegal_move(moved: int) -> None:
    """An event is put behind the archive, where nothing is legal, or in front of everything."""
    rest = [*EVENTS[:moved], *EVENTS[moved + 1 :]]
    for events in (renumbered([EVENTS[moved], *rest]), renumbered([*rest, EVENTS[moved]])):
        trace = validate_trace(LAW, events, steps=steps)
        told = [one for one in findings(events) if one.kind == "transition"]
        if trace.illegal is None:
            assert told == []
            continue
        before = [one for one in findings(events) if one.version <= trace.illegal.index]
        if before:  # the audit does not guess what follows damage of another kind
            continue
        assert told[0].version == trace.illegal.index + 1
        assert told[0].detail == trace.illegal.message.replace("session:", "session 's':")
