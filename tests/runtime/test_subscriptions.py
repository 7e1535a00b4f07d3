"""Subscriptions: what was recorded, then what is; nothing missed, repeated or out of order."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from perdure import Delivery, Engine, InvalidArgument
from perdure.aggregates import SessionRegistered
from perdure.runtime.watch.subscriptions import places
from perdure.store.recorder import EventPlace, set_all
from perdure.store.sqlite.watcher import Watcher
from perdure.sync import Engine as BlockingEngine
from tests.support import processes
from tests.support.engines import on_an_engine
from tests.support.processes import message

GENEROUS_SECONDS = 10


def listeners(engine: Engine) -> int:
    recorder: Any = engine._core.store.recorder
    watcher = getattr(recorder, "_watcher", recorder)
    return len(watcher._listeners)


async def take(source: AsyncIterator[Delivery], count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(GENEROUS_SECONDS):
        while len(found) < count:
            found.append(await anext(source))
    return found


async def until(condition: Any) -> None:
    async with asyncio.timeout(GENEROUS_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for rings no bell
            await asyncio.sleep(0.001)


def test_nothing_comes_after_the_largest_position_there_can_be(url: str) -> None:
    with BlockingEngine.open(url) as engine:
        engine.register("s")
        recorder: Any = engine._engine._core.store.recorder
        for reads in (recorder.page_after, recorder.rows_after, recorder.places_after):
            assert reads(2**63 - 1, 10) == []
            assert len(reads(0, 10)) == 1
        for start, inclusive in ((2**63 - 1, False), (2**63 - 1, True), (2**63 - 2, False)):
            found = recorder.select_notifications(start, 10, inclusive_of_start=inclusive)
            assert found == []
        assert [one.id for one in recorder.select_notifications(None, 10)] == [1]
        after_none = recorder.select_notifications(None, 10, inclusive_of_start=False)
        assert [one.id for one in after_none] == [1]


def test_what_was_recorded_comes_first_then_what_is(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s", labels={"a": "b"})
            await engine.record_turn("s", [message("old")])
            source = engine.subscribe()
            old = await take(source, 2)
            waiting = asyncio.create_task(take(source, 3))
            for n in range(3):
                await asyncio.sleep(0.02)
                await engine.record_turn("s", [message(str(n))])
            new = await waiting
            assert [d.position for d in old + new] == [1, 2, 3, 4, 5]
            assert [d.version for d in old + new] == [1, 2, 3, 4, 5]
            assert [d.tag for d in old] == ["session-registered", "turn-applied"]
            assert isinstance(old[0].event, SessionRegistered)
            assert old[0].event.labels == {"a": "b"}
            again = await take(engine.subscribe(after=3), 2)
            assert again == new[1:]

    asyncio.run(main())


def test_a_subscription_from_the_end_begins_with_what_is_recorded_after_the_call(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            empty = engine.subscribe(after="end")
            await engine.register("s")
            source = engine.subscribe("s", "end")
            await engine.register("t")
            for n in range(2):
                await engine.record_turn("s", [message(str(n))])
            assert [d.position for d in await take(empty, 4)] == [1, 2, 3, 4]
            assert [d.position for d in await take(source, 2)] == [3, 4]
            wrong: Any
            for wrong in ("now", None, -1):
                with pytest.raises(InvalidArgument, match="'end'"):
                    engine.subscribe(after=wrong)

    asyncio.run(main())


def test_a_blocking_subscription_from_the_end_begins_at_the_call_too(url: str) -> None:
    with BlockingEngine.open(url) as engine:
        engine.register("s")
        source = engine.subscribe("s", after="end")
        engine.record_turn("s", [message("new")])
        assert next(source).version == 2
        with pytest.raises(InvalidArgument):
            engine.subscribe(after=-1)


def test_a_subscription_from_the_end_waits_for_no_long_read(sqlite_url: str) -> None:
    with BlockingEngine.open(sqlite_url) as engine, ThreadPoolExecutor(1) as threads:
        recorder: Any = engine._engine._core.store.recorder
        with recorder._read_lock:  # as a long read on the shared connection does
            asked = threads.submit(engine.subscribe, after="end")
            source = asked.result(GENEROUS_SECONDS)
        engine.register("s")
        assert next(source).version == 1


def test_a_group_is_followed_from_the_end_with_the_members_it_has(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            for name in ("in", "out"):
                await engine.register(name)
            await engine.join_mob("in", "crew")
            source = engine.subscribe(mob="crew", after="end")
            for name in ("out", "in"):
                await engine.record_turn(name, [message("new")])
            (found,) = await take(source, 1)
            assert (found.session_id, found.version) == ("in", 3)

    asyncio.run(main())


def test_only_the_session_asked_for_is_delivered(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            for name in ("a", "b"):
                await engine.register(name)
            source = engine.subscribe("b")
            for n in range(600):  # more than a page of others' events lies in between
                await engine.record_turn("a", [message(str(n))])
            await engine.record_turn("b", [message("mine")])
            assert [(d.session_id, d.version) for d in await take(source, 2)] == [
                ("b", 1),
                ("b", 2),
            ]

    asyncio.run(main())


def test_concurrent_writers_are_seen_once_each_and_in_order(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, durability="normal") as engine:
            names = [f"s{n}" for n in range(8)]

            async def write(name: str) -> None:
                await engine.register(name)
                for n in range(60):
                    await engine.record_turn(name, [message(str(n))])

            subscribers = [asyncio.create_task(take(engine.subscribe(), 8 * 61)) for _ in range(3)]
            await asyncio.gather(*map(write, names))
            for subscriber in subscribers:
                found = await subscriber
                assert [d.position for d in found] == list(range(1, 8 * 61 + 1))
                for name in names:
                    versions = [d.version for d in found if d.session_id == name]
                    assert versions == list(range(1, 62))

    asyncio.run(main())


def test_another_process_is_heard_while_we_write_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    orders, order = processes.pipe()

    async def main() -> None:
        async with Engine.open(url, durability="normal", busy_timeout_seconds=30) as engine:
            source = engine.subscribe()
            writer = processes.start(processes.record_when_told, url, "theirs", orders, 200)
            order.send("go")
            await engine.register("ours")
            subscriber = asyncio.create_task(take(source, 402))
            for n in range(200):
                await engine.record_turn("ours", [message(str(n))])
            found = await subscriber
            processes.finish(writer)
            assert [d.position for d in found] == list(range(1, 403))
            for name in ("ours", "theirs"):
                assert [d.version for d in found if d.session_id == name] == list(range(1, 202))

    with orders, order:
        asyncio.run(main())


def test_another_connections_commit_is_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def main() -> None:
        async with Engine.open(url) as ours, Engine.open(url) as theirs:
            await theirs.register("s")
            source = ours.subscribe("s")
            await take(source, 1)
            for n in range(20):
                waiting = asyncio.create_task(take(source, 1))
                await asyncio.sleep(0.005)
                await theirs.record_turn("s", [message(str(n))])
                (seen,) = await waiting
                assert seen.version == n + 2

    asyncio.run(main())


def test_our_own_commits_are_heard_without_polling(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.store.sqlite.watcher.POLL_SECONDS", 3600)

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            source = engine.subscribe()
            await take(source, 1)
            for n in range(3):
                waiting = asyncio.create_task(take(source, 1))
                await asyncio.sleep(0.02)
                await engine.record_turn("s", [message(str(n))])
                assert [d.version for d in await waiting] == [n + 2]

    asyncio.run(main())


def test_places_are_those_of_all_events_old_and_new_once_each_and_in_order(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, durability="normal") as engine:
            recorder = engine._core.store.recorder
            found: list[EventPlace] = []

            async def follow(after: int) -> None:
                async with contextlib.aclosing(places(recorder, after, lambda: False)) as source:
                    async for some in source:
                        found.extend(some)

            async def write(name: str) -> None:
                await engine.register(name)
                for n in range(20):
                    await engine.record_turn(name, [message(str(n))])

            await write("old")
            following = asyncio.create_task(follow(1))
            await asyncio.gather(*(write(f"new{n}") for n in range(4)))
            await until(lambda: len(found) >= 5 * 21 - 1)
            following.cancel()
            await asyncio.wait({following})
            assert found == [
                (row.position, row.session_id, row.version) for row in recorder.rows_after(1, 1000)
            ]
            assert listeners(engine) == 0

    asyncio.run(main())


def test_a_damaged_row_has_a_place_all_the_same(sqlite_url: str) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url) as engine:
            await engine.register("s")
            await engine.register("t")
            recorder: Any = engine._core.store.recorder
            with recorder.transaction() as connection:
                connection.execute(
                    "UPDATE stored_events SET originator_version = 'x', topic = x'00'"
                    " WHERE originator_id = 's'"
                )
            assert await anext(places(recorder, 0, lambda: False)) == [(1, "s", 0), (2, "t", 1)]

    asyncio.run(main())


def test_leaving_the_loop_releases_the_listener(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            async for delivery in engine.subscribe():
                assert listeners(engine) == 1
                assert delivery.position == 1
                break
            await until(lambda: listeners(engine) == 0)
            unused = engine.subscribe()
            assert listeners(engine) == 0
            del unused

    asyncio.run(main())


def test_a_cancelled_subscriber_releases_the_listener(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            task = asyncio.create_task(take(engine.subscribe(), 2))
            await until(lambda: listeners(engine) == 1)
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: listeners(engine) == 0)

    asyncio.run(main())


@pytest.mark.parametrize("delay", [0, 0.001, 0.02, 0.1])
def test_closing_the_engine_ends_its_subscriptions(url: str, delay: float) -> None:
    async def main() -> None:
        engine = await Engine.open(url)
        await engine.register("s")
        found: list[int] = []

        async def subscriber() -> str:
            async for delivery in engine.subscribe():
                found.append(delivery.position)  # noqa: PERF401 - the list is looked at meanwhile
            return "ended"

        tasks = [asyncio.create_task(subscriber()) for _ in range(3)]
        await asyncio.sleep(delay)
        await engine.close()
        assert await asyncio.wait_for(asyncio.gather(*tasks), GENEROUS_SECONDS) == ["ended"] * 3
        assert set(found) <= {1}

    asyncio.run(main())


def test_a_slow_subscriber_delays_no_commit(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, durability="normal") as engine:
            await engine.register("s")
            source = engine.subscribe()
            await take(source, 1)  # and then it reads nothing for a long time
            for n in range(1_200):
                await engine.record_turn("s", [message(str(n))])
            found = await take(source, 1_200)
            assert [d.position for d in found] == list(range(2, 1_202))

    asyncio.run(main())


def test_a_damaged_row_is_delivered_without_an_event_and_ends_nothing(sqlite_url: str) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url) as engine:
            await engine.register("s")
            await engine.register("t")
            recorder: Any = engine._core.store.recorder
            with recorder.transaction() as connection:
                connection.execute("UPDATE stored_events SET state = x'00' WHERE position = 1")
            first, second = await take(engine.subscribe(), 2)
            assert first.event is None
            assert second.event is not None

    asyncio.run(main())


def test_the_blocking_subscription_ends_when_another_thread_closes_the_engine(url: str) -> None:
    engine = BlockingEngine.open(url)
    engine.register("s")
    found: list[int] = []
    failures: list[BaseException] = []

    def subscribe() -> None:
        try:
            found.extend(delivery.position for delivery in engine.subscribe())
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    thread = threading.Thread(target=subscribe)
    thread.start()
    time.sleep(0.1)
    engine.close()
    thread.join(GENEROUS_SECONDS)
    assert not thread.is_alive()
    assert failures == []
    assert found in ([], [1])


def test_leaving_a_blocking_subscription_releases_the_listener(url: str) -> None:
    with BlockingEngine.open(url) as engine:
        engine.register("s")
        for delivery in engine.subscribe():
            assert delivery.version == 1
            break
        engine.read("s")  # what was dropped before a verb has ended by then
        assert listeners(engine._engine) == 0
        rest = engine.subscribe()
        assert next(rest).position == 1
    assert list(rest) == []


# What wakes them


def test_a_watcher_joined_again_while_its_thread_ends_does_not_hang() -> None:
    asked, answer = threading.Event(), threading.Event()

    def data_version() -> int:
        asked.set()
        answer.wait(GENEROUS_SECONDS)
        return 1

    watcher = Watcher(data_version)
    first, second = threading.Event(), threading.Event()
    watcher.add(first)
    assert asked.wait(GENEROUS_SECONDS)
    leaving = threading.Thread(target=watcher.remove, args=(first,), daemon=True)
    leaving.start()
    while watcher._thread is not None:
        time.sleep(0.001)
    watcher.add(second)
    answer.set()
    leaving.join(GENEROUS_SECONDS)
    assert not leaving.is_alive()
    assert second.wait(GENEROUS_SECONDS)
    watcher.close()


def test_a_watcher_can_be_left_and_joined_again_at_any_moment() -> None:
    counter = itertools.count()
    watcher = Watcher(lambda: next(counter))

    def come_and_go() -> None:
        for _ in range(100):
            listener = threading.Event()
            watcher.add(listener)
            assert listener.wait(GENEROUS_SECONDS)
            watcher.remove(listener)

    threads = [threading.Thread(target=come_and_go, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GENEROUS_SECONDS)
        assert not thread.is_alive()
    watcher.close()
    assert watcher._thread is None


def test_a_closed_watcher_rings_a_last_time_and_starts_no_thread() -> None:
    watcher = Watcher(lambda: 1)
    listener, late = threading.Event(), threading.Event()
    watcher.add(listener)
    watcher.close()
    assert listener.is_set()
    watcher.add(late)
    assert watcher._thread is None


def test_ringing_reaches_the_listeners_behind_one_that_fails() -> None:
    class Deaf:
        def set(self) -> None:
            raise RuntimeError("nobody home")

    listener = threading.Event()
    set_all((Deaf(), listener))
    assert listener.is_set()


@on_an_engine()
async def test_subscriptions_end_when_the_engine_is_asked_to_end_them(engine: Engine) -> None:
    await engine.register("s")
    heard: list[list[str]] = []

    async def follow(*, live: bool) -> None:
        heard.append([getattr(event, "tag", "") async for event in engine.subscribe(live=live)])

    following = [asyncio.create_task(follow(live=live)) for live in (False, True)]
    await asyncio.sleep(0.05)
    await engine.publish("s", "n")
    await asyncio.sleep(0.05)
    await engine.end_subscriptions()
    await asyncio.wait_for(asyncio.gather(*following), 5)
    assert heard == [["session-registered", "event-published"]] * 2
    later = engine.subscribe()
    assert (await anext(later)).tag == "session-registered"
    await later.aclose()
