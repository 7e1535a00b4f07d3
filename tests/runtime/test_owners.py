"""Runs whose owner is gone: readers tell it, the next verb that writes closes them; and leases."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest

from perdure import (
    CallsUnresolved,
    EchoAgent,
    Engine,
    Environment,
    InvalidArgument,
    SessionBusy,
    StaleWriter,
    StoreError,
    Turn,
)
from perdure.runtime.processes import has_ended, is_running, this_process
from perdure.runtime.settings import Settings
from perdure.store.sqlite.store import sqlite_path
from tests.support.command import perdure
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import CALL, user
from tests.support.sessions import attached, has
from tests.support.waiting import Gate, until


@asynccontextmanager
async def left_running(url: str, *landed: dict[str, Any]) -> AsyncIterator[Engine]:
    """Give the engine of a session with a run; releasing its lease is as if its process died."""

    async def agent(turn: Turn) -> None:
        await turn.boundary(landed)
        await asyncio.Event().wait()

    lost = await Engine.open(url, grace_seconds=0.1)
    await lost.register("s")
    await lost.attach("s", agent)
    turn = asyncio.create_task(lost.apply_turn("s", "go"))
    while not (await lost.read("s")).message_count:  # noqa: ASYNC110 - the log is what tells
        await asyncio.sleep(0.01)
    try:
        yield lost
    finally:
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        await lost.close()


def tags(url: str) -> list[str]:
    with closing(sqlite3.connect(sqlite_path(url))) as connection:
        return [tag for (tag,) in connection.execute("SELECT topic FROM stored_events")]


def test_a_run_that_somebody_drives_is_shown_as_running_with_its_owner(sqlite_url: str) -> None:
    async def main() -> None:
        async with left_running(sqlite_url) as owner, Engine.open(sqlite_url) as engine:
            for one in (owner, engine):
                view = await one.read("s")
                assert (view.phase, view.ownerless) == ("running", False)
                assert view.owner == owner._core.ownership.epoch
                assert await one.list() == [view]
                assert not (await one.control.runtime_state("s")).ownerless
            assert "run-interrupted" not in tags(sqlite_url)

    asyncio.run(main())


def test_g9_a_read_tells_that_a_run_has_lost_its_owner_and_a_write_closes_it(
    sqlite_url: str,
) -> None:
    async def main() -> None:
        async with left_running(sqlite_url) as lost, Engine.open(sqlite_url) as engine:
            await lost._core.ownership.release()
            before = tags(sqlite_url)
            view = await engine.read("s")
            assert (view.phase, view.ownerless) == ("running", True)
            assert await engine.list() == [view]
            assert (await engine.control.runtime_state("s")).ownerless
            assert await engine.open_calls("s") == []
            assert tags(sqlite_url) == before  # a read closes nothing
            await engine.publish("s", "n")
            assert tags(sqlite_url)[-2:] == ["run-interrupted", "event-published"]
            view = await engine.read("s")
            assert (view.phase, view.owner, view.ownerless) == ("attached", None, False)
            assert await engine.list() == [view]
            assert (await engine.audit()).ok

    asyncio.run(main())


@on_an_engine(on_file=True, **FAST)
async def test_g9_a_run_whose_owner_is_gone_is_closed_on_first_touch(
    engine: Engine, url: str
) -> None:
    async def agent(turn: Turn) -> str:
        await turn.boundary([CALL])
        await asyncio.sleep(60)
        return "never"

    lost = await Engine.open(url, lease_seconds=0.3)
    await attached(lost, agent)
    turn = asyncio.create_task(lost.apply_turn("s", "a"))
    await until(lambda: has(lost, 2))
    with pytest.raises(SessionBusy):
        await engine.record_turn("s", [user("b")])
    await lost._core.ownership.release()  # as if its process had died
    with pytest.raises(CallsUnresolved):
        await engine.record_turn("s", [user("b")])
    view = await engine.read("s")
    assert (view.phase, view.message_count) == ("attached", 2)
    with pytest.raises(StaleWriter):
        await turn
    await lost.close()


def test_g9_a_reader_that_may_not_write_is_told_that_the_run_has_lost_its_owner(
    sqlite_url: str,
) -> None:
    async def main() -> None:
        async with left_running(sqlite_url) as lost:
            await lost._core.ownership.release()
            before = tags(sqlite_url)
            async with Engine.open(sqlite_url, readonly=True) as engine:
                view = await engine.read("s")
                assert (view.phase, view.ownerless) == ("running", True)
                assert await engine.list() == [view]
                state = await engine.control.runtime_state("s")
                assert (state.phase, state.ownerless) == ("running", True)
            assert tags(sqlite_url) == before

    asyncio.run(main())


def test_g9_a_reader_that_may_not_write_is_told_which_calls_are_in_doubt(sqlite_url: str) -> None:
    async def main() -> None:
        async with left_running(sqlite_url, CALL) as lost:
            for status in ("intended", "unknown"):
                async with Engine.open(sqlite_url, readonly=True) as engine:
                    (found,) = await engine.open_calls("s")
                    state = await engine.control.runtime_state("s")
                    assert (found.status, state.open_calls) == (status, [found])
                await lost._core.ownership.release()
            assert "run-interrupted" not in tags(sqlite_url)

    asyncio.run(main())


def test_g9_a_run_that_cannot_be_closed_now_is_told_and_closed_later(sqlite_url: str) -> None:
    async def main() -> None:
        async with (
            left_running(sqlite_url) as lost,
            Engine.open(sqlite_url, busy_timeout_seconds=0.1) as engine,
        ):
            await lost._core.ownership.release()
            other = sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            view = await engine.read("s")
            assert (view.phase, view.ownerless) == ("running", True)
            assert (await engine.control.runtime_state("s")).ownerless
            assert await engine.open_calls("s") == []
            with pytest.raises(StoreError):
                await engine.publish("s", "n")
            other.execute("ROLLBACK")
            other.close()
            await engine.publish("s", "n")
            assert (await engine.read("s")).phase == "attached"

    asyncio.run(main())


def test_a_run_of_which_no_lease_can_be_known_has_no_owner(sqlite_url: str) -> None:
    async def main() -> None:
        async with left_running(sqlite_url):
            with closing(sqlite3.connect(sqlite_path(sqlite_url))) as connection:
                connection.execute("DROP TABLE leases")  # which may be lost without harm
            async with Engine.open(sqlite_url, readonly=True) as engine:
                assert (await engine.read("s")).ownerless

    asyncio.run(main())


def test_a_run_of_a_living_owner_is_not_closed_by_reading_however_often(sqlite_url: str) -> None:
    async def main() -> None:
        async with left_running(sqlite_url), Engine.open(sqlite_url) as engine:
            for _ in range(20):
                await engine.read("s")
            with pytest.raises(SessionBusy):
                await engine.control.recover("s")

    asyncio.run(main())


def test_the_command_says_that_a_run_has_lost_its_owner(sqlite_url: str) -> None:
    async def main() -> None:
        async with left_running(sqlite_url) as lost:
            for gone in (False, True):
                for command in (("ls",), ("show", "s")):
                    told = await asyncio.to_thread(perdure, *command, db=sqlite_url)
                    assert ("running (its owner is gone)" in told.out) == gone
                    told = await asyncio.to_thread(perdure, *command, "--json", db=sqlite_url)
                    document = told.document
                    one = document[0] if isinstance(document, list) else document
                    assert (one["phase"], one["ownerless"]) == ("running", gone)
                await lost._core.ownership.release()
            assert "run-interrupted" not in tags(sqlite_url)

    asyncio.run(main())


# Leases

NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)


@on_an_engine(environment=Environment(now=lambda: NOW), lease_seconds=3600)
async def test_leases_long_expired_are_deleted_and_those_a_wrong_clock_may_hold_are_kept(
    engine: Engine,
) -> None:
    leases = engine._core.store.leases
    for hours in (-1, 1, 14, 24, 25):
        expired = NOW - timedelta(hours=hours)
        leases.put(f"{hours}", "a process", now=expired, seconds=0, forget_seconds=1e6)
    await attached(engine, EchoAgent())
    await engine.apply_turn("s", "a")
    kept = [hours for hours in (-1, 1, 14, 24, 25) if leases.find(f"{hours}", now=NOW)]
    assert kept == [-1, 1, 14, 24]
    assert leases.find(engine._core.ownership.epoch, now=NOW)


class Held:
    """Leases whose next one is put only when it is let go."""

    def __init__(self, engine: Engine) -> None:
        self.begun, self.let_go, self.over = (threading.Event() for _ in range(3))
        self._leases, self._put = engine._core.store.leases, engine._core.store.leases.put
        self._leases.put = self.put  # type: ignore[method-assign]

    def put(self, *given: Any, **named: Any) -> None:
        self.begun.set()
        self.let_go.wait(60)
        self._put(*given, **named)
        self.over.set()


@on_an_engine(lease_seconds=0.03, **FAST)
async def test_a_lease_that_is_given_up_while_it_is_renewed_is_given_up(engine: Engine) -> None:
    gate = Gate()
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    held = Held(engine)
    await asyncio.to_thread(held.begun.wait)
    releasing = asyncio.create_task(engine._core.ownership.release())
    await asyncio.wait({releasing}, timeout=0.1)
    held.let_go.set()
    await releasing
    await asyncio.to_thread(held.over.wait)
    assert engine._core.store.leases.find(engine._core.ownership.epoch, now=NOW) is None
    gate.open.set()
    await turn


@on_an_engine(on_file=True)
async def test_a_lease_is_given_up_whose_first_turn_was_cancelled_while_it_was_put(
    engine: Engine, url: str
) -> None:
    other = await Engine.open(url)
    held = Held(other)
    await attached(other, EchoAgent())
    turn = asyncio.create_task(other.apply_turn("s", "a"))
    await asyncio.to_thread(held.begun.wait)
    turn.cancel()
    await asyncio.wait({turn}, timeout=0.1)
    held.let_go.set()
    await asyncio.wait({turn})
    assert turn.cancelled()
    await other.close()
    assert engine._core.store.leases.find(other._core.ownership.epoch, now=NOW) is None


def later(**given: float) -> Environment:
    """Return an environment whose clock is ahead of the system's."""
    return Environment(now=lambda: datetime.now(UTC) + timedelta(**given))


@pytest.mark.parametrize("days", [-400, 1, 400])
def test_an_owner_whose_process_lives_is_not_gone_because_a_clock_stepped(
    sqlite_url: str, days: int
) -> None:
    async def main() -> None:
        async with (
            left_running(sqlite_url),
            Engine.open(sqlite_url, environment=later(days=days)) as engine,
        ):
            assert not (await engine.read("s")).ownerless
            with pytest.raises(SessionBusy):
                await engine.record_turn("s", [user("b")])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("age", "gone"), [({"days": 365}, True), ({"hours": 2}, True), ({"minutes": 5}, False)]
)
@on_an_engine(on_file=True, **FAST)
async def test_a_lease_of_an_unknown_process_that_expires_later_than_any_lease_is_none(
    engine: Engine, url: str, age: dict[str, float], gone: bool
) -> None:
    ahead = msgspec.structs.replace(later(**age), holder=lambda: "another machine/1/1")
    gate = Gate()
    async with Engine.open(url, environment=ahead, **FAST) as other:
        await attached(other, gate)
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await gate.begun.wait()
        assert (await engine.read("s")).ownerless == gone
        turn.cancel()
        await asyncio.wait({turn})


@on_an_engine(on_file=True)
async def test_an_engine_of_this_process_that_was_dropped_unclosed_owns_nothing(
    engine: Engine, url: str
) -> None:
    async with Engine.open(url) as other:
        epochs = ("dropped", other._core.ownership.epoch)
        for epoch in epochs:
            engine._core.store.leases.put(
                epoch, this_process(), now=datetime.now(UTC), seconds=60, forget_seconds=1
            )
        assert [await engine._core.ownership.is_gone(epoch) for epoch in epochs] == [True, False]


def test_a_process_that_is_stopped_lives_and_one_that_was_killed_has_ended() -> None:
    program = "import sys; from perdure.runtime.processes import this_process\n"
    program += "print(this_process(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        identity = process.stdout.readline().strip()
        process.send_signal(signal.SIGSTOP)
        assert (is_running(identity), has_ended(identity)) == (True, False)
        process.kill()
        process.wait()
        assert (is_running(identity), has_ended(identity)) == (False, True)
    assert not is_running(f"another machine/{identity.split('/', 1)[1]}")


def test_no_lease_is_longer_than_an_hour() -> None:
    with pytest.raises(InvalidArgument):
        Settings(lease_seconds=3600.1)
