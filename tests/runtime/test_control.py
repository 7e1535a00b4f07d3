"""The control plane and the end of sessions: what each verb reports, and what it may not do."""

import asyncio
import inspect
from typing import Any

import pytest

from perdure import (
    Completed,
    EchoAgent,
    Engine,
    IllegalTransition,
    InvalidArgument,
    InvalidMessage,
    NoAgent,
    SessionBusy,
    SessionNotFound,
)
from perdure import sync as blocking
from perdure.runtime.control import Control
from perdure.store import Mapper
from tests.support.processes import message


class Waiting:
    """An agent that lands a boundary and then waits for ever."""

    def __init__(self) -> None:
        self.landed = asyncio.Event()
        self.more = asyncio.Event()

    async def run_turn(self, turn: Any) -> None:
        await turn.boundary([message("so far")])
        self.landed.set()
        await self.more.wait()
        self.more.clear()
        await turn.boundary([message("more")])
        self.landed.set()
        await self.more.wait()


async def with_input(engine: Engine, *input_ids: str) -> None:
    await engine.register("s")
    for input_id in input_ids:
        await engine.ingest("s", input_id, input_id=input_id)


async def running(
    engine: Engine, agent: Waiting | None = None, **given: Any
) -> "asyncio.Task[Any]":
    agent = agent or Waiting()
    await engine.attach("s", agent)
    task = asyncio.create_task(engine.apply_turn("s", "go", **given))
    await agent.landed.wait()
    return task


def test_retiring_reports_what_still_drains_and_registers_what_nobody_has(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await with_input(engine, "in-1", "in-2")
            report = await engine.control.retire("s")
            assert (report.abandoned, report.pending_drain) == ((), ("in-1", "in-2"))
            assert await engine.control.retire("s") == report
            fresh = await engine.control.retire("unheard-of", reason="never ran")
            assert fresh.pending_drain == ()
            view = await engine.read("unheard-of")
            assert (view.phase, view.version) == ("retired", 2)
            await engine.archive("unheard-of")
            with pytest.raises(IllegalTransition):
                await engine.control.retire("unheard-of")
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_registering_and_retiring_is_one_commit(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            submitted: list[int] = []
            commit = engine._core.writer._submissions.commit

            async def counted(rows: Any, **given: Any) -> Any:
                submitted.append(len(rows))
                return await commit(rows, **given)

            engine._core.writer._submissions.commit = counted  # type: ignore[method-assign]
            await engine.control.retire("unheard-of")
            assert submitted == [2]

    asyncio.run(main())


def test_reset_abandons_the_queue_and_recycle_carries_it_over(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await with_input(engine, "in-1", "in-2")
            await engine.record_turn("s", [message("x")])
            await engine.retire("s")
            assert (await engine.control.recycle("s")).transferred == ("in-1", "in-2")
            assert (await engine.read("s")).phase == "idle"
            assert (await engine.control.reset("s")).abandoned == ("in-1", "in-2")
            assert [view.state for view in await engine.inputs("s")] == ["abandoned"] * 2
            assert {view.reason for view in await engine.inputs("s")} == {"reset"}
            assert (await engine.history("s")).message_count == 1

    asyncio.run(main())


def test_an_executor_that_was_taken_away_runs_nothing_once_the_session_is_recycled(
    url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.attach("s", EchoAgent())
            await engine.control.stop("s")
            await engine.control.recycle("s")
            with pytest.raises(NoAgent):
                await engine.apply_turn("s", "anybody there?")
            await engine.attach("s", EchoAgent())
            assert (await engine.apply_turn("s", "anybody there?")).terminal == Completed()

    asyncio.run(main())


@pytest.mark.parametrize("verb", ["recover", "recycle", "reset"])
def test_an_executor_outlives_whatever_but_takes_it_away(url: str, verb: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.attach("s", EchoAgent())
            await getattr(engine.control, verb)("s")
            assert (await engine.apply_turn("s", "anybody there?")).terminal == Completed()

    asyncio.run(main())


def test_stopping_interrupts_the_turn_that_runs_and_attaching_revives(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await with_input(engine, "in-1")
            task = await running(engine, run_id="r")
            report = await engine.control.stop("s", reason="maintenance")
            assert (report.run_id, report.requeued, report.abandoned) == ("r", (), ())
            await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 10)
            assert (await engine.read("s")).phase == "stopped"
            assert (await engine.history("s")).message_count == 2
            with pytest.raises(IllegalTransition):
                await engine.record_turn("s", [message("late")])
            with pytest.raises(IllegalTransition):
                await engine.control.stop("s")
            await engine.attach("s", Waiting())
            assert (await engine.read("s")).phase == "attached"
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_stopping_gives_back_the_inputs_that_no_receipt_names(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await with_input(engine, "in-1", "in-2")
            await engine.ingest("s", "later", input_id="in-3")
            agent = Waiting()
            task = await running(engine, agent, input_ids=["in-1"])
            await engine.ingest("s", "turn left", input_id="in-4", lane="steer")
            agent.landed.clear()
            agent.more.set()
            await agent.landed.wait()
            report = await engine.control.stop("s")
            await asyncio.gather(task, return_exceptions=True)
            assert (report.requeued, report.abandoned) == (("in-4",), ())
            state = await engine.control.runtime_state("s")
            assert (state.queued, state.staged) == (("in-2", "in-3", "in-4"), ())

    asyncio.run(main())


def test_destroying_ends_everything_and_keeps_the_log(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await with_input(engine, "in-1", "in-2")
            task = await running(engine, input_ids=["in-1"])
            report = await engine.control.destroy("s", reason="gone")
            assert report.abandoned == ("in-2",)
            await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 10)
            assert (await engine.read("s")).phase == "destroyed"
            assert [v.state for v in await engine.inputs("s")] == ["consumed", "abandoned"]
            assert (await engine.history("s")).message_count == 3
            for verb in (engine.control.destroy, engine.control.recycle, engine.archive):
                with pytest.raises(IllegalTransition):
                    await verb("s")
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_recovering_closes_a_run_whose_owner_is_gone_and_says_what_became_of_it(
    sqlite_url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url) as first:
            await with_input(first, "in-1", "in-2")
            task = await running(first, input_ids=["in-1"], run_id="r")
            with pytest.raises(SessionBusy):
                await first.control.recover("s")
            async with Engine.open(sqlite_url) as second:
                with pytest.raises(SessionBusy):
                    await second.control.recover("s")
                await asyncio.to_thread(first._core.store.leases.drop, first._core.ownership.epoch)
                report = await second.control.recover("s")
                assert (report.run_id, report.recovered) == ("r", ("in-1",))
                assert (report.requeued, report.abandoned) == ((), ())
                assert report.details[0] == "run 'r' is interrupted: its owner is gone"
                assert len(report.details) == 2
                again = await second.control.recover("s")
                assert (again.run_id, again.details) == (None, ())
                assert (await second.audit()).ok
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_the_runtime_state_says_what_is_in_hand(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await with_input(engine, "in-1")
            await engine.join_mob("s", "crew")
            await engine.stage_context("s", "note")
            state = await engine.control.runtime_state("s")
            assert (state.phase, state.current_run, state.queued) == ("idle", None, ("in-1",))
            assert (state.staged_context, state.mobs) == (1, ("crew",))
            task = await running(engine, run_id="r", input_ids=["in-1"])
            state = await engine.control.runtime_state("s")
            assert (state.phase, state.current_run) == ("running", "r")
            assert (state.queued, state.staged, state.cancel_requested) == ((), (), False)
            await engine.cancel_after_boundary("s")
            assert (await engine.control.runtime_state("s")).cancel_requested
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with pytest.raises(SessionNotFound):
                await engine.control.runtime_state("unknown")

    asyncio.run(main())


def test_the_control_plane_takes_input_loads_receipts_and_publishes(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            taken = await engine.control.ingest("s", "hi", lane="steer", idempotency_key="k")
            out = await engine.record_turn("s", [message("x")], input_ids=[taken.input_id])
            assert out.receipt is not None
            found = await engine.control.load_boundary_receipt("s", out.receipt.run_id, 1)
            assert found == out.receipt
            await engine.control.publish_event("s", "peer-joined", {"peer": "a"})
            with pytest.raises(InvalidMessage, match=r"payload\.x"):
                await engine.publish("s", "bad", {"x": {1}})
            event = Mapper().to_event(
                engine._core.store.recorder.select_rows("s", newest_first=True, limit=1)[0], None
            )
            assert event.name == "peer-joined"  # type: ignore[union-attr]
            assert bytes(event.payload) == b'{"peer":"a"}'  # type: ignore[union-attr]

    asyncio.run(main())


def test_context_for_a_later_boundary_is_staged_and_context_for_now_has_its_receipt(
    url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            now = await engine.append_context("s", "now")
            assert (now.status, now.receipt.message_count) == ("applied", 1)  # type: ignore[union-attr]
            for boundary in ("run_start", "run_checkpoint"):
                later = await engine.append_context("s", boundary, boundary=boundary)
                assert (later.status, later.receipt) == ("staged", None)
            with pytest.raises(InvalidArgument):
                await engine.append_context("s", "x", boundary="never")  # type: ignore[arg-type]
            await engine.record_turn("s", [message("x")])
            contents = [one["content"] for one in (await engine.history("s")).messages]
            assert contents == ["now", "run_start", "run_checkpoint", "x"]

    asyncio.run(main())


# The end


def test_b_an_archived_session_is_told_from_one_that_never_was(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            out = await engine.record_turn("s", [message("x")], run_id="r")
            live = await engine.load_persisted("s")
            assert live is not None
            assert live.message_count == 1
            await engine.archive("s")
            assert await engine.load_persisted("s") is None
            with pytest.raises(SessionNotFound):
                await engine.load_persisted("unknown")
            assert (await engine.read("s")).phase == "archived"
            assert (await engine.history("s")).messages == [message("x")]
            assert await engine.load_receipt("s", "r") == out.receipt
            assert [view.id for view in await engine.list(phase="archived")] == ["s"]
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_f_a_session_is_archived_once_and_nothing_comes_after(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.archive("s")
            version = (await engine.head("s")).version
            late = (
                lambda: engine.archive("s"),
                lambda: engine.retire("s"),
                lambda: engine.ingest("s", "late"),
                lambda: engine.append_context("s", "late"),
                lambda: engine.record_turn("s", [message("late")]),
                lambda: engine.publish("s", "late"),
                lambda: engine.join_mob("s", "crew"),
                lambda: engine.stage_tool_filter("s", []),
                lambda: engine.control.reset("s"),
                lambda: engine.control.stop("s"),
            )
            for verb in late:
                with pytest.raises(IllegalTransition, match="archived"):
                    await verb()
            assert (await engine.head("s")).version == version

    asyncio.run(main())


def test_f_archiving_is_refused_while_input_waits_unless_it_is_to_be_abandoned(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await with_input(engine, "in-1")
            with pytest.raises(IllegalTransition):
                await engine.archive("s")
            with pytest.raises(InvalidArgument):
                await engine.archive("s", pending="drop")  # type: ignore[arg-type]
            assert (await engine.read("s")).phase == "idle"
            await engine.archive("s", pending="abandon")
            (view,) = await engine.inputs("s")
            assert (view.state, view.reason) == ("abandoned", "archived")
            assert (await engine.audit()).ok

    asyncio.run(main())


@pytest.mark.parametrize("phase", ["idle", "attached", "retired", "stopped"])
def test_f_what_keeps_a_session_from_being_archived_is_named_with_how_to_go_on(
    url: str, phase: str
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await with_input(engine, "in-1")
            await engine.ingest("s", "more", input_id="in-2")
            if phase == "attached":
                await engine.attach("s", EchoAgent())
            elif phase == "retired":
                await engine.retire("s")
            elif phase == "stopped":
                await engine.control.stop("s")
            with pytest.raises(IllegalTransition) as refused:
                await engine.archive("s")
            assert str(refused.value).startswith(
                f"cannot archive session 's': it is {phase} (2 inputs are queued: 'in-1', 'in-2'; "
                "abandon or drain them: pending='abandon' or 'drain'); allowed: "
            )
            assert refused.value.data["phase"] == phase
            assert refused.value.data["input_ids"] == ["in-1", "in-2"]
            assert "archive" not in refused.value.data["allowed"]
            assert (await engine.read("s")).phase == phase

    asyncio.run(main())


def test_f_a_running_session_is_not_archived_because_it_runs_whatever_is_queued(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, grace_seconds=0.2) as engine:
            await with_input(engine, "in-1")
            begun = asyncio.Event()

            async def agent(turn: Any) -> None:
                begun.set()
                await asyncio.Event().wait()

            await engine.attach("s", agent)
            turn = asyncio.create_task(engine.apply_turn("s", "go"))
            await begun.wait()
            for pending in ("refuse", "abandon"):
                with pytest.raises(IllegalTransition, match="it is running; allowed") as refused:
                    await engine.archive("s", pending=pending)
                assert "input_ids" not in refused.value.data
            await engine.interrupt("s")
            await turn

    asyncio.run(main())


def test_f_a_session_that_never_ran_can_be_archived(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            assert (await engine.archive("s")).phase == "archived"

    asyncio.run(main())


def test_the_blocking_control_plane_has_the_same_verbs(url: str) -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(blocking.Control) == public(Control)
    for name in public(Control):
        assert inspect.getdoc(getattr(blocking.Control, name))
    with blocking.Engine.open(url) as engine:
        assert engine.control.retire("s").pending_drain == ()
        assert engine.control.runtime_state("s").phase == "retired"
