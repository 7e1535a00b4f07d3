"""An engine on a store of one's own, which a function opens in place of a URL."""

import asyncio
import threading
from typing import Any

import pytest

from perdure import Engine, InvalidArgument, StoreError
from perdure.store import MemoryStore, Store, open_store
from perdure.sync import Engine as BlockingEngine


class Opened(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.current_thread()


def test_a_function_opens_the_store_off_the_event_loop_and_the_engine_closes_it() -> None:
    opened: list[Opened] = []

    def opener() -> Store:
        opened.append(Opened())
        return opened[-1]

    async def main() -> None:
        async with Engine.open(opener) as engine:
            await engine.register("s")
        (store,) = opened
        assert store.thread is not threading.current_thread()
        assert store.commit_now([]) is None

    asyncio.run(main())


def test_a_blocking_engine_has_a_store_of_ones_own_as_well() -> None:
    store = MemoryStore()
    with BlockingEngine.open(lambda: store) as engine:
        engine.register("s")
        assert store.recorder.last_version("s") == 1


def test_the_error_of_a_function_that_opens_nothing_is_the_engines() -> None:
    def opener() -> Store:
        raise StoreError("there is no server")

    with pytest.raises(StoreError, match="there is no server"):
        BlockingEngine.open(opener)


@pytest.mark.parametrize(
    "given", [{"readonly": True}, {"durability": "normal"}, {"busy_timeout_seconds": 1.0}]
)
def test_what_the_function_decides_is_not_asked_for_beside_it(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="for the function that opens the store"):
        open_store(MemoryStore, **given)


@pytest.mark.parametrize("url", [None, 7, b"memory:", "file:x", "memory", ""])
def test_what_is_neither_a_url_nor_a_function_opens_nothing(url: Any) -> None:
    with pytest.raises(InvalidArgument, match="a database URL is memory: or sqlite:///path"):
        open_store(url)
