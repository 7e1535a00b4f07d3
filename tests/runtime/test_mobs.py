"""Groups of sessions: membership as recorded, listings that follow it, archiving all at once."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from perdure import Engine, IllegalTransition, InvalidArgument, SessionNotFound, Turn
from perdure.runtime.turn.agent import EchoAgent
from perdure.runtime.verbs.mobs import _archive_member
from tests.support.processes import message
from tests.support.sessions import said


async def members(engine: Engine, mob: str = "crew") -> list[str]:
    return [view.id for view in await engine.list(mob=mob)]


def test_a_session_belongs_to_the_groups_it_joined_and_has_not_left(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            for name in "abc":
                await engine.register(name, labels={"x": "y"})
            for name in "ca":
                view = await engine.join_mob(name, "crew")
                assert view.mobs == ("crew",)
            await engine.join_mob("a", "other")
            assert await members(engine) == ["a", "c"]
            assert await engine.belongs_to_mob("a", "crew")
            assert not await engine.belongs_to_mob("b", "crew")
            version = (await engine.head("a")).version
            await engine.join_mob("a", "crew")
            await engine.leave_mob("b", "crew")
            assert (await engine.head("a")).version == version
            assert (await engine.head("b")).version == 1
            assert await members(engine, "nobody") == []
            listed = await engine.list(mob="crew", labels={"x": "y"}, after="a", limit=5)
            assert [view.id for view in listed] == ["c"]
            with pytest.raises(SessionNotFound):
                await engine.join_mob("unknown", "crew")
            for wrong in ("", "a\0b"):
                with pytest.raises(InvalidArgument):
                    await engine.join_mob("a", wrong)
                with pytest.raises(InvalidArgument):
                    await engine.list(mob=wrong)

    asyncio.run(main())


def test_who_left_a_group_is_not_listed_in_it_any_more(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("a", labels={"x": "y"})
            await engine.join_mob("a", "crew")
            await engine.join_mob("a", "other")
            assert await members(engine) == ["a"]  # the catalog has it now
            view = await engine.leave_mob("a", "crew")
            assert view.mobs == ("other",)
            assert await members(engine) == []
            assert await members(engine, "other") == ["a"]
            assert [view.id for view in await engine.list(labels={"x": "y"})] == ["a"]
            await engine.join_mob("a", "crew")
            assert await members(engine) == ["a"]

    asyncio.run(main())


def test_leaving_leaves_no_row_behind_in_the_index(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def main() -> None:
        async with Engine.open(f"sqlite:///{path}") as engine:
            await engine.register("a")
            await engine.join_mob("a", "crew")
            await engine.list()
            await engine.leave_mob("a", "crew")
            await engine.list()

    asyncio.run(main())
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM catalog_labels").fetchall() == []
    connection.close()


def test_archiving_a_group_reports_member_by_member_and_one_refusal_stops_no_other(
    url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(url, agents=lambda _: EchoAgent()) as engine:
            for name in "abcd":
                await engine.register(name)
                await engine.join_mob(name, "crew")
            await engine.ingest("b", "waits")
            await engine.archive("c")
            report = await engine.archive_mob("crew", reason="done")
            found = [(one.session_id, one.outcome, one.code) for one in report]
            assert found == [
                ("a", "archived", None),
                ("b", "refused", "ILLEGAL_TRANSITION"),
                ("c", "already_ended", None),
                ("d", "archived", None),
            ]
            assert "queued" in str(report[1].message)
            assert [view.phase for view in await engine.list(mob="crew")] == [
                "archived",
                "idle",
                "archived",
                "archived",
            ]
            again = await engine.archive_mob("crew", pending="abandon")
            assert [one.outcome for one in again] == [
                "already_ended",
                "archived",
                "already_ended",
                "already_ended",
            ]
            assert await engine.archive_mob("nobody") == []
            with pytest.raises(IllegalTransition):
                await engine.leave_mob("a", "crew")

    asyncio.run(main())


def test_archiving_a_group_can_first_drain_what_its_members_have_queued(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, agents=lambda _: EchoAgent()) as engine:
            for name in "ab":
                await engine.register(name)
                await engine.join_mob(name, "crew")
            await engine.ingest("b", "waits")
            report = await engine.archive_mob("crew", pending="drain")
            assert [one.outcome for one in report] == ["archived", "archived"]
            assert await said(engine, "b") == ["waits", "waits"]

    asyncio.run(main())


def test_who_leaves_a_group_while_it_is_archived_is_left_alone(url: str) -> None:
    async def main() -> None:
        begun, go = asyncio.Event(), asyncio.Event()

        async def agent(turn: Turn) -> str:
            begun.set()
            await go.wait()
            return "done"

        async with Engine.open(url, agents=lambda _: agent) as engine:
            for name in "abcd":
                await engine.register(name)
                await engine.join_mob(name, "crew")
            for name in "ac":
                await engine.ingest(name, "waits")
            archiving = asyncio.create_task(engine.archive_mob("crew", pending="drain"))
            await begun.wait()
            for name in "abc":
                await engine.leave_mob(name, "crew")
            go.set()
            report = await archiving
            assert [(one.session_id, one.outcome) for one in report] == [("d", "archived")]
            phases = {view.id: view.phase for view in await engine.list()}
            assert phases == {"a": "retired", "b": "idle", "c": "idle", "d": "archived"}
            assert len(await engine.inputs("c")) == 1

    asyncio.run(main())


def test_a_member_that_left_in_another_process_is_not_archived(sqlite_url: str) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url) as engine, Engine.open(sqlite_url) as other:
            await engine.register("a")
            await engine.join_mob("a", "crew")
            await other.leave_mob("a", "crew")
            core = engine._core
            assert not await _archive_member(core, "crew", "a", None, "refuse")  # as just listed
            await other.join_mob("a", "crew")
            assert await _archive_member(core, "crew", "a", None, "refuse")

    asyncio.run(main())


@pytest.mark.parametrize("lost", [False, True])
def test_a_member_that_was_damaged_before_it_joined_is_reported(
    tmp_path: Path, *, lost: bool
) -> None:
    path = tmp_path / "a.db"
    url = f"sqlite:///{path}"

    async def recorded() -> None:
        async with Engine.open(url) as engine:
            for name in "ab":
                await engine.register(name)
                await engine.record_turn(name, [message("x")])
                await engine.join_mob(name, "crew")
                await engine.join_mob(name, "past")
                await engine.leave_mob(name, "past")

    async def archived() -> None:
        async with Engine.open(url) as engine:
            assert await members(engine) == ["a", "b"]
            assert await members(engine, "past") == []
            report = await engine.archive_mob("crew")
            found = [(one.session_id, one.outcome, one.code) for one in report]
            assert found == [("a", "refused", "LOG_CORRUPT"), ("b", "archived", None)]

    asyncio.run(recorded())
    connection = sqlite3.connect(path)
    of = "stored_events WHERE originator_id = 'a' AND originator_version = 2"
    if lost:
        connection.execute(f"DELETE FROM {of}")
    else:
        connection.execute(f"UPDATE {of}".replace(" WHERE", " SET state = x'00' WHERE"))
    connection.commit()
    connection.close()
    asyncio.run(archived())


def test_membership_is_in_the_log_and_so_survives_everything(sqlite_url: str) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url) as engine:
            await engine.register("a")
            await engine.join_mob("a", "crew")
            await engine.record_turn("a", [message("x")])
            await engine.checkpoint("a")
        async with Engine.open(sqlite_url) as engine:
            engine._core.store.derived.clear()
            assert await members(engine) == ["a"]
            assert (await engine.read("a")).mobs == ("crew",)
            assert (await engine.audit()).ok

    asyncio.run(main())
