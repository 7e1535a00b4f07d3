"""Functions that tests run in other processes, started quickly from a preloaded one."""

import asyncio
import concurrent.futures.thread  # noqa: F401 - loaded lazily, which a user who owns nothing cannot
import itertools
import json
import math
import multiprocessing
import os
import random
import resource
import signal
import sqlite3
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

from perdure import Engine, StaleWriter, StoreError
from perdure.store.sqlite import recorder as sqlite
from perdure.sync import Engine as BlockingEngine
from tests.support.sessions import receipt_of

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["perdure", "perdure.sync", "tests.support.processes"])

NOBODY: Final = 65534

LONG_SESSIONS: Final = ("alpha", "beta", "gamma", "delta")


def start(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Run a function of this module in another process."""
    process = _CONTEXT.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def finish(process: ForkServerProcess) -> None:
    """Wait for a process that must have gone well."""
    process.join(120)
    assert process.exitcode == 0
    process.close()


def pipe() -> tuple[Connection, Connection]:
    """Return the receiving and the sending end of a pipe."""
    return _CONTEXT.Pipe(duplex=False)


def receive(connection: Connection) -> Any:
    """Return the other process's message; a process that died sends none."""
    assert connection.poll(60)
    return connection.recv()


def message(text: str, role: str = "user") -> dict[str, str]:
    return {"role": role, "content": text}


def write_until_killed(url: str, turn: int, seed: int, acknowledged: Path) -> None:
    """Write, telling of each receipt once it is given, for ever.

    In every other turn many sessions write at once; in those between, one alone, whose commits
    the event loop makes itself, however slow the disk.
    """
    vars(sqlite)["MAX_HURRY_SECONDS"] = math.inf  # which is final, but not in this process
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    told = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(kind: str, session_id: str, **facts: Any) -> None:
        line = {"round": turn, "kind": kind, "session_id": session_id, **facts}
        os.write(told, json.dumps(line).encode() + b"\n")

    async def long_session(engine: Engine, session_id: str) -> None:
        await engine.register(session_id)
        for n in itertools.count():
            run_id = f"{turn}-{n}"
            text = "x" * chance.choice((10, 500, 5_000, 40_000))
            out = await engine.record_turn(
                session_id, [message(run_id), message(text, "assistant")], run_id=run_id
            )
            tell(
                "turn",
                session_id,
                run_id=run_id,
                digest=receipt_of(out).conversation_digest,
                count=receipt_of(out).message_count,
                at_once=_committed_at_once(engine),
            )

    async def short_sessions(engine: Engine) -> None:
        for n in itertools.count():
            session_id = f"short-{turn}-{n}"
            await engine.register(session_id)
            tell("registered", session_id)
            await engine.record_turn(session_id, [message("only")], run_id="only")
            await engine.archive(session_id)
            tell("archived", session_id)

    async def main() -> None:
        async with Engine.open(url, durability="full") as engine:
            if turn % 2:
                await long_session(engine, chance.choice(LONG_SESSIONS))
            await asyncio.gather(
                *(long_session(engine, session_id) for session_id in LONG_SESSIONS),
                short_sessions(engine),
            )

    asyncio.run(main())


def _committed_at_once(engine: Engine) -> bool:
    """Whether commits were made on the event loop's own thread."""
    return bool(getattr(engine._core.store.recorder, "_hurried_bytes", 0))


def hammer(url: str, session_id: str, name: str, turns: int, acknowledged: Path) -> None:
    """Record turns one after the other, trying again whenever the other writer was first."""
    refusals = 0
    seen = []
    with BlockingEngine.open(url, durability="normal", busy_timeout_seconds=30) as engine:
        engine.register(session_id)
        for n in range(turns):
            while True:
                try:
                    out = engine.record_turn(
                        session_id, [message(f"{name} {n}")], run_id=f"{name}-{n}"
                    )
                except StaleWriter:
                    refusals += 1
                else:
                    assert not out.duplicate
                    seen.append([receipt_of(out).run_id, receipt_of(out).conversation_digest])
                    break
    acknowledged.write_text(json.dumps({"refusals": refusals, "seen": seen}))


def record_one(url: str, session_id: str, run_id: str, text: str) -> None:
    """Record one turn."""
    with BlockingEngine.open(url) as engine:
        engine.register(session_id)
        engine.record_turn(session_id, [message(text)], run_id=run_id)


def retry_one(url: str, session_id: str, run_id: str, text: str, answer: Connection) -> None:
    """Record one turn that was recorded before, and send the output."""
    with BlockingEngine.open(url) as engine:
        out = engine.record_turn(session_id, [message(text)], run_id=run_id)
    answer.send((out.duplicate, receipt_of(out).conversation_digest))


def record_when_told(url: str, session_id: str, orders: Connection, turns: int) -> None:
    """Open, say so by waiting for an order, record turns, and close."""
    with BlockingEngine.open(url, busy_timeout_seconds=30) as engine:
        engine.register(session_id)
        orders.recv()
        for n in range(turns):
            engine.record_turn(session_id, [message(str(n))], run_id=f"{session_id}-{n}")


def create(url: str, gate: Any, failures: Connection) -> None:
    """Open a new file at the same time as others, use it, and send the error, if any."""
    gate.wait()
    try:
        with BlockingEngine.open(url) as engine:
            engine.register(f"by-{os.getpid()}")
    except StoreError as error:
        failures.send(str(error))
    else:
        failures.send(None)


def open_as_nobody(url: str, answer: Connection) -> None:
    """Open for writing, then for reading, as a user who owns nothing; root may do anything."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    told = []
    for readonly in (False, True):
        try:
            with BlockingEngine.open(url, readonly=readonly) as engine:
                clean = "clean" if engine.audit().ok else "not clean"
                told.append(f"{engine.read('s').message_count} messages, audit {clean}")
        except StoreError as error:
            told.append(str(error))
    answer.send(told)


def write_into_a_small_file(url: str, answer: Connection) -> None:
    """Write until the operating system refuses, then with room again, and tell what landed."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    landed, failures = [], 0
    with BlockingEngine.open(url) as engine:
        engine.register("s")
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
        for n in range(20):
            try:
                engine.record_turn("s", [message("x" * 50_000)], run_id=f"run-{n}")
            except StoreError:
                failures += 1
            else:
                landed.append(f"run-{n}")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        engine.record_turn("s", [message("x" * 50_000)], run_id="after")
        clean = engine.audit().ok
    answer.send({"landed": [*landed, "after"], "failures": failures, "after": clean})


def gate(parties: int) -> Any:
    """Return a barrier that processes can wait at."""
    return _CONTEXT.Barrier(parties)


def hold_write_lock(path: Path, holding: Connection, release: Connection) -> None:
    """Hold the database's write lock until told."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    holding.send("held")
    release.recv()
    connection.execute("ROLLBACK")
    connection.close()
