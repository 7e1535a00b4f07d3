"""The operations that a worker carries out with its contender, and how each is timed.

Invariants: the clock runs around the contender's own call and nothing else; work that takes too
long is cut off by the time it was given, and the answer says how much was done.
"""

import asyncio
import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.contenders.base import Contender, Settings
from bench.workload import TURN, Message, session_id


async def open_file(contender: Contender) -> Settings:
    """Open the contender's file; return the durability in effect, as its connection tells it."""
    await contender.open()
    return await contender.settings()


async def grow(contender: Contender, session: str, turns: int, seconds: float) -> dict[str, Any]:
    """Bring a new session to that many turns: at once if there is a way, else turn by turn.

    Return how many there are when the time is up, and each recorded turn's seconds.
    """
    if turns and await contender.grow(session, turns):
        return {"turns": turns, "seconds": []}
    await contender.begin(session)
    taken = await turns_of(contender, {session: turns}, seconds)
    return {"turns": len(taken[session]), "seconds": taken[session]}


async def turns_of(
    contender: Contender, sessions: dict[str, int], seconds: float
) -> dict[str, list[float]]:
    """Record a turn in each session by turns, until each has as many as asked or time is up."""
    taken: dict[str, list[float]] = {session: [] for session in sessions}
    deadline = time.perf_counter() + seconds
    for number in range(max(sessions.values())):
        for session, count in sessions.items():
            if number < count:
                start = time.perf_counter()
                await contender.record(session, TURN)
                taken[session].append(time.perf_counter() - start)
        if time.perf_counter() > deadline:
            break
    return taken


async def slice_of(
    contender: Contender, sessions: dict[str, int], seconds: float, *, fresh: str = ""
) -> dict[str, list[float]]:
    """Begin one of the sessions if asked, copy the write-ahead log, then do the same.

    Otherwise the first to record would pay for copying a write-ahead log that others filled.
    """
    if fresh:
        await contender.begin(fresh)
    fold_log(contender.path)
    return await turns_of(contender, sessions, seconds)


async def at_once(contender: Contender, session: str, turns: int) -> bool:
    """Bring a new session to that many turns with one write; say whether there is a way to."""
    return await contender.grow(session, turns)


async def written(
    contender: Contender, sessions: dict[str, int], seconds: float, *, fresh: bool = False
) -> dict[str, float | None]:
    """Return the bytes that a turn of the sessions sends to storage, and those it stays on disk.

    The write-ahead log is folded into the file before and after, so that the window pays for just
    its own turns, whenever SQLite would have done it. Pages that something else has left free in
    the file, a snapshot that was replaced, say, do not count as room that the turns need not have.
    """
    for session in sessions if fresh else ():
        await contender.begin(session)
    fold_log(contender.path)
    sent, size = _written_bytes(), _used_bytes(contender.path)
    done = sum(map(len, (await turns_of(contender, sessions, seconds)).values()))
    fold_log(contender.path)
    after = _written_bytes()
    return {
        "turns": done,
        "written": None if sent is None or after is None else (after - sent) / done,
        "on_disk": (_used_bytes(contender.path) - size) / done,
    }


def _used_bytes(path: Path) -> int:
    """Return the bytes of the file's pages that hold something."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


async def together(
    contender: Contender, sessions: int, turns_each: int, messages: list[Message] = TURN
) -> float:
    """Return turns a second of that many new sessions at once, each a turn at a time."""
    batched = getattr(contender, "together", None)
    if batched is not None:
        rate: float = await batched(sessions, turns_each)
        return rate
    names = [session_id(f"{n}-{time.monotonic_ns()}") for n in range(sessions)]
    for name in names:
        await contender.begin(name)

    async def one(name: str) -> None:
        for _ in range(turns_each):
            await contender.record(name, messages)

    start = time.perf_counter()
    await asyncio.gather(*(one(name) for name in names))
    seconds = time.perf_counter() - start
    for name in names:
        await contender.end(name)
    return sessions * turns_each / seconds


async def resume(contender: Contender, session: str) -> dict[str, Any]:
    """Open the file and read the whole conversation, in a process that has done neither yet."""
    start = time.perf_counter()
    await contender.open()
    opened = time.perf_counter()
    await contender.ready(session)
    ready = time.perf_counter()
    messages = await contender.conversation(session)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "open": opened - start,
        "ready": ready - start,
        "messages": len(messages),
    }


async def pages(
    contender: Contender, sessions: Sequence[str], count: int, times: int, seconds: float
) -> dict[str, list[float]]:
    """Read the newest messages of each session by turns."""
    taken: dict[str, list[float]] = {session: [] for session in sessions}
    deadline = time.perf_counter() + seconds
    for _ in range(times):
        for session in sessions:
            start = time.perf_counter()
            found = await contender.newest(session, count)
            taken[session].append(time.perf_counter() - start)
            if len(found) != count:
                raise RuntimeError(f"{len(found)} messages, not {count}")
        if time.perf_counter() > deadline:
            break
    return taken


async def replay(contender: Contender, path: str, prefix: str) -> dict[str, float]:
    """Record real transcripts, a session a line, a turn beginning at each user message."""
    turns = 0
    start = time.perf_counter()
    with Path(path).open("rb") as file:  # noqa: ASYNC230 - everyone reads it the same way
        for number, line in enumerate(file):
            session = session_id(f"{prefix}-{number}")
            await contender.begin(session)
            for messages in _split(json.loads(line)["messages"]):
                await contender.record(session, messages)
                turns += 1
    return {"seconds": time.perf_counter() - start, "turns": turns}


def fold_log(path: Path) -> None:
    """Copy the write-ahead log into the file and start it afresh."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.close()


def _split(messages: list[Message]) -> list[list[Message]]:
    turns: list[list[Message]] = [[]]
    begun = False
    for message in messages:
        if message["role"] == "user":
            if begun:
                turns.append([])
            begun = True
        turns[-1].append(message)
    return turns


def _written_bytes() -> int | None:
    """Return the bytes this process has sent to storage, where the system tells."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


OPERATIONS = {
    "open": open_file,
    "grow": grow,
    "turns": turns_of,
    "slice": slice_of,
    "at_once": at_once,
    "written": written,
    "together": together,
    "resume": resume,
    "pages": pages,
    "replay": replay,
}


async def perform(contender: Contender, request: dict[str, Any]) -> Any:
    """Carry out a request: one of the operations, or a method that only this contender has."""
    arguments = dict(request)
    name = arguments.pop("do")
    if name == "processor_seconds":
        return sum(os.times()[:2])
    operation = OPERATIONS.get(name)
    if operation is not None:
        return await operation(contender, **arguments)  # type: ignore[operator]
    return await getattr(contender, name)(**arguments)
