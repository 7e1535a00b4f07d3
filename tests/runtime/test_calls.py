"""Tool calls through the public API: open until answered, in doubt after a crash, never made up."""

import asyncio
from typing import Any

import pytest

from perdure import (
    CallNotOpen,
    CallsUnresolved,
    Completed,
    Conflict,
    Engine,
    Failed,
    IllegalTransition,
    InvalidArgument,
    InvalidMessage,
    OpenCall,
)
from tests.support.processes import message


def calls(*ids: str) -> dict[str, Any]:
    made = [{"id": i, "function": {"name": f"do_{i}", "arguments": '{"x":1}'}} for i in ids]
    return {"role": "assistant", "tool_calls": made}


def result(call_id: str, text: str = "42") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


class Interrupted:
    """An agent that lands calls at a boundary and then waits for ever."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids
        self.landed = asyncio.Event()

    async def run_turn(self, turn: Any) -> None:
        await turn.boundary([calls(*self.ids)])
        self.landed.set()
        await asyncio.Event().wait()


async def interrupted(engine: Engine, *ids: str) -> None:
    agent = Interrupted(*ids)
    await engine.attach("s", agent)
    task = asyncio.create_task(engine.apply_turn("s", "go"))
    await agent.landed.wait()
    await engine.interrupt("s")
    await task


def statuses(found: list[OpenCall]) -> dict[str, str]:
    return {call.id: call.status for call in found}


def test_a_call_is_open_until_its_result_lands(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            assert await engine.open_calls("s") == []
            await engine.record_turn("s", [message("go"), calls("c-1", "c-2")])
            assert await engine.open_calls("s") == [
                OpenCall(
                    id=f"c-{n}",
                    name=f"do_c-{n}",
                    arguments='{"x":1}',
                    status="intended",
                    version=2,
                    message=1,
                    place=n - 1,
                )
                for n in (1, 2)
            ]
            staged = await engine.stage_tool_results("s", [result("c-1")])
            assert statuses(staged) == {"c-1": "executed", "c-2": "intended"}
            await engine.record_turn("s", [message("next")], open_calls="keep")
            assert statuses(await engine.open_calls("s")) == {"c-2": "intended"}
            page = await engine.history("s", offset=2)
            assert page.messages == [result("c-1"), message("next")]

    asyncio.run(main())


def test_g3_the_same_result_is_staged_once_and_another_is_a_conflict(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.record_turn("s", [calls("c-1")])
            for _ in range(2):
                found = await engine.stage_tool_results("s", [result("c-1")])
                assert statuses(found) == {"c-1": "executed"}
            assert (await engine.head("s")).version == 3
            with pytest.raises(Conflict):
                await engine.stage_tool_results("s", [result("c-1", "43")])
            for wrong in ([result("c-9")], [message("hi")]):
                with pytest.raises(CallNotOpen):
                    await engine.stage_tool_results("s", wrong)
            with pytest.raises(InvalidMessage):
                await engine.stage_tool_results("s", [])
            assert (await engine.head("s")).version == 3

    asyncio.run(main())


def test_k_calls_of_an_interrupted_turn_are_unknown_and_nothing_invents_their_results(
    url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await interrupted(engine, "c-1", "c-2")
            assert statuses(await engine.open_calls("s")) == {"c-1": "unknown", "c-2": "unknown"}
            before = (await engine.history("s")).messages
            with pytest.raises(CallsUnresolved) as refused:
                await engine.apply_turn("s", "and then?")
            assert refused.value.data["call_ids"] == ["c-1", "c-2"]
            with pytest.raises(CallsUnresolved):
                await engine.record_turn("s", [message("and then?")])
            assert (await engine.history("s")).messages == before

            await engine.stage_tool_results("s", [result("c-1")])
            with pytest.raises(CallsUnresolved):
                await engine.record_turn("s", [message("and then?")])
            left = await engine.abandon_call("s", "c-2", reason="nobody knows")
            assert statuses(left) == {"c-1": "executed"}
            await engine.record_turn("s", [message("and then?")])
            added = (await engine.history("s", offset=len(before))).messages
            assert added == [result("c-1"), message("and then?")]
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_k_calls_in_doubt_stay_in_doubt_after_reopening(sqlite_url: str) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url) as engine:
            await engine.register("s")
            await interrupted(engine, "c-1")
        async with Engine.open(sqlite_url) as engine:
            assert statuses(await engine.open_calls("s")) == {"c-1": "unknown"}
            with pytest.raises(CallsUnresolved):
                await engine.record_turn("s", [message("on")])

    asyncio.run(main())


def test_giving_up_a_call_is_recorded_once(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.record_turn("s", [calls("c-1")])
            with pytest.raises(CallNotOpen, match="a message before this one answers it"):
                await engine.stage_tool_results("s", [result("c-1"), result("c-1")])
            assert await engine.abandon_call("s", "c-1") == []
            with pytest.raises(CallNotOpen):
                await engine.abandon_call("s", "c-1")
            with pytest.raises(CallNotOpen):
                await engine.stage_tool_results("s", [result("c-1")])
            await engine.archive("s")
            assert await engine.open_calls("s") == []
            with pytest.raises((CallNotOpen, IllegalTransition)):
                await engine.abandon_call("s", "c-1")

    asyncio.run(main())


@pytest.mark.parametrize("call_id", ["", "c\n1", "\u200b", "x" * 300, "é"], ids=ascii)
def test_g9_a_call_can_be_given_up_whatever_its_id_is(url: str, call_id: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await interrupted(engine, call_id)
            with pytest.raises(CallsUnresolved):
                await engine.record_turn("s", [message("on")])
            with pytest.raises(InvalidArgument):
                await engine.abandon_call("s", None)  # type: ignore[arg-type]
            assert await engine.abandon_call("s", call_id) == []
            await engine.record_turn("s", [message("on")])
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_g3_a_result_from_outside_does_not_land_beside_the_one_the_running_agent_gives(
    url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            begun, go_on = asyncio.Event(), asyncio.Event()

            async def agent(turn: Any) -> list[dict[str, Any]]:
                begun.set()
                await go_on.wait()
                return [result("c-1", "its own")]

            await engine.register("s")
            await engine.record_turn("s", [calls("c-1")])
            await engine.attach("s", agent)
            turn = asyncio.create_task(engine.apply_turn("s"))
            await begun.wait()
            staged = await engine.stage_tool_results("s", [result("c-1", "from outside")])
            assert statuses(staged) == {"c-1": "executed"}
            with pytest.raises(Conflict):  # its result is there
                await engine.abandon_call("s", "c-1")
            go_on.set()
            await turn
            assert (await engine.history("s")).messages == [calls("c-1"), result("c-1", "its own")]
            await engine.record_turn("s", [message("on")])
            assert (await engine.history("s", offset=2)).messages == [message("on")]
            assert (await engine.audit()).ok

    asyncio.run(main())


@pytest.mark.parametrize("way", ["returned", "landed"])
def test_g9_a_call_that_was_answered_from_outside_is_not_answered_by_the_running_agent_again(
    url: str, way: str
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            begun, go_on = asyncio.Event(), asyncio.Event()
            refusals: list[CallNotOpen] = []

            async def agent(turn: Any) -> list[dict[str, Any]]:
                await turn.boundary([calls("c-1", "c-2")])
                begun.set()
                await go_on.wait()
                await turn.boundary()  # where the result from outside lands
                assert [call.id for call in turn.open_calls] == ["c-2"]
                own = [result("c-2", "its own"), result("c-1", "its own")]
                if way == "landed":
                    try:
                        await turn.boundary(own)
                    except CallNotOpen as refusal:
                        refusals.append(refusal)
                        return [own[0], message("said")]
                return own

            await engine.register("s")
            await engine.attach("s", agent)
            turn = asyncio.create_task(engine.apply_turn("s", "go", run_id="r"))
            await begun.wait()
            await engine.stage_tool_results("s", [result("c-1", "from outside")])
            go_on.set()
            out = await turn
            landed = [message("go"), calls("c-1", "c-2"), result("c-1", "from outside")]
            if way == "landed":
                assert out.terminal == Completed()
                assert refusals[0].data == {"session_id": "s", "call_id": "c-1"}
                landed += [result("c-2", "its own"), message("said")]
            else:
                assert isinstance(out.terminal, Failed)
                assert (out.terminal.kind, out.terminal.recoverable) == ("turn", True)
                assert "answered from outside" in out.terminal.message
            assert (await engine.history("s")).messages == landed
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_a_call_made_again_under_the_id_of_one_answered_from_outside_is_answered_again(
    url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            staged, landed = asyncio.Event(), asyncio.Event()

            async def agent(turn: Any) -> list[dict[str, Any]]:
                await turn.boundary([calls("c-1")])
                landed.set()
                await staged.wait()
                await turn.boundary()
                await turn.boundary([calls("c-1"), result("c-1", "second")])
                await turn.boundary([calls("c-1")])
                return [result("c-1", "third")]

            await engine.register("s")
            await engine.attach("s", agent)
            turn = asyncio.create_task(engine.apply_turn("s", "go"))
            await landed.wait()
            await engine.stage_tool_results("s", [result("c-1", "first")])
            staged.set()
            assert (await turn).terminal == Completed()
            found = (await engine.history("s")).messages
            assert [m["content"] for m in found if m.get("role") == "tool"] == [
                "first",
                "second",
                "third",
            ]

    asyncio.run(main())


def test_a_call_of_a_retired_session_can_be_given_up(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.record_turn("s", [calls("c-1")])
            await engine.retire("s")
            with pytest.raises(IllegalTransition):  # no turn will come that could land it
                await engine.stage_tool_results("s", [result("c-1")])
            assert await engine.abandon_call("s", "c-1") == []

    asyncio.run(main())


def test_an_archived_session_still_says_which_calls_were_left_open(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.record_turn("s", [calls("c-1")])
            await engine.archive("s")
            assert statuses(await engine.open_calls("s")) == {"c-1": "intended"}
            with pytest.raises(IllegalTransition):
                await engine.abandon_call("s", "c-1")
            with pytest.raises(IllegalTransition):
                await engine.stage_tool_results("s", [result("c-1")])

    asyncio.run(main())


def test_a_tool_filter_is_a_fact_that_takes_effect_at_the_next_boundary(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.stage_tool_filter("s", {"deny": ["rm"]})
            await engine.stage_tool_filter("s", {"deny": ["rm", "dd"]})
            state = await engine.control.runtime_state("s")
            assert (state.tool_filter, state.next_tool_filter) == (None, {"deny": ["rm", "dd"]})
            await engine.record_turn("s", [message("x")])
            state = await engine.control.runtime_state("s")
            assert (state.tool_filter, state.next_tool_filter) == ({"deny": ["rm", "dd"]}, None)
            with pytest.raises(InvalidMessage, match=r"tool_filter\[0\]"):
                await engine.stage_tool_filter("s", [float("inf")])

    asyncio.run(main())
