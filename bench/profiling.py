"""Where a durable turn, a resume and an audit spend their time: `make profile`.

A timer interrupts the main thread a thousand times a second. Each time it counts the line of this
project that the main thread is on, or has called other code from, and the place of every other
thread. The result is time on the clock, waiting included; a profiler that watches calls would
overstate small functions. Work that the engine does in helper threads (to resume, to audit) is
called directly here, because only the main thread can be interrupted anywhere.
"""

import asyncio
import collections
import functools
import linecache
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Final, NamedTuple, Self

import perdure
from bench.workload import TURN, session_id
from perdure import Engine
from perdure.projections import audit_store, page_of
from perdure.projections.snapshots import load
from perdure.store import Mapper, open_store

PERIOD_SECONDS: Final = 0.001
LEAST_SHARE: Final = 0.012
MAIN: Final = "main thread"
PACKAGE: Final = Path(perdure.__file__).parent
SESSION: Final = session_id("profiled")


class Place(NamedTuple):
    """A line of the project, or of Python where a thread is not in the project at all."""

    thread: str
    layer: str
    where: str
    line: str


class Sampler:
    """Counts, while it is open, where every thread is."""

    def __init__(self) -> None:
        self.counts: Final[collections.Counter[Place]] = collections.Counter()
        self.samples = 0
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, PERIOD_SECONDS, PERIOD_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.seconds = time.perf_counter() - self._start

    def _look(self, _signal: int, interrupted: FrameType | None) -> None:
        self.samples += 1
        names = {one.ident: one.name for one in threading.enumerate()}
        ours = threading.get_ident()
        for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the one way there is
            found = interrupted if ident == ours else frame
            if found is not None:
                self.counts[_place(_called(names.get(ident, "")), found)] += 1


def _called(thread: str) -> str:
    if thread == "MainThread":
        return MAIN
    return "helpers" if thread.startswith("asyncio") else thread.removeprefix("perdure-")


def _place(thread: str, innermost: FrameType) -> Place:
    """Return the newest line of the project in a stack, or the innermost line of all."""
    frame: FrameType | None = innermost
    while frame is not None:
        if (layer := _layer(frame.f_code)) is not None:
            return _named(thread, layer, frame.f_code, frame.f_lineno)
        frame = frame.f_back
    return _named(thread, "python", innermost.f_code, innermost.f_lineno)


@functools.cache
def _layer(code: CodeType) -> str | None:
    """Return the layer that the code lies in, None for code that is not the project's."""
    path = Path(code.co_filename)
    if not path.is_relative_to(PACKAGE):
        return None
    inner = path.relative_to(PACKAGE).parts
    return ".".join(("perdure", *inner[:-1][:1]))


@functools.cache
def _named(thread: str, layer: str, code: CodeType, line: int | None) -> Place:
    text = linecache.getline(code.co_filename, line or code.co_firstlineno).strip()
    return Place(thread, layer, f"{Path(code.co_filename).stem}.{code.co_name}", text)


def table(title: str, sampler: Sampler, times: int, unit: str = "") -> str:
    """Return the samples of each thread, by layer and by line, as the time of one piece of work."""
    each = sampler.seconds / times
    samples = max(1, sampler.samples)
    scale = sampler.seconds / samples / times * 1e6
    lines = [f"{title}: {each * 1e6:,.1f} µs{unit} ({sampler.samples:,} samples)"]
    threads = collections.Counter[str]()
    for place, count in sampler.counts.items():
        threads[place.thread] += count
    for thread in sorted(threads, key=lambda one: (one != MAIN, one)):
        found = {place: n for place, n in sampler.counts.items() if place.thread == thread}
        layers = collections.Counter[str]()
        for place, count in found.items():
            layers[place.layer] += count
        parts = ", ".join(f"{name} {n * scale:,.1f}" for name, n in layers.most_common())
        lines += ["", f"  {thread}: {parts}"]
        for place, count in sorted(found.items(), key=lambda one: -one[1]):
            share = count / samples
            if share >= LEAST_SHARE:
                lines.append(
                    f"  {count * scale:10,.1f} µs {share:6.1%}  {place.where:<34.34}  "
                    f"{place.line:.72}"
                )
    return "\n".join(lines)


async def _recorded(engine: Engine, turns: int) -> None:
    for _ in range(turns):
        await engine.record_turn(SESSION, TURN)


async def a_turn(folder: Path, turns: int = 10_000) -> str:
    """Profile turns of one session at full durability."""
    async with Engine.open(f"sqlite:///{folder / 'turn.db'}") as engine:
        await engine.register(SESSION)
        await _recorded(engine, turns // 20)
        with Sampler() as sampler:
            await _recorded(engine, turns)
    return table("a durable turn, one session at full", sampler, turns)


async def many_turns(folder: Path, each: int = 400) -> str:
    """Profile turns of 64 sessions at once at full durability."""
    names = [session_id(f"together-{n}") for n in range(64)]

    async def one(engine: Engine, name: str) -> None:
        for _ in range(each):
            await engine.record_turn(name, TURN)

    async with Engine.open(f"sqlite:///{folder / 'many.db'}") as engine:
        for name in names:
            await engine.register(name)
        with Sampler() as sampler:
            await asyncio.gather(*(one(engine, name) for name in names))
    return table("a durable turn, 64 sessions at full", sampler, each * len(names))


async def a_resume(folder: Path, turns: int = 1_000, times: int = 60) -> str:
    """Profile opening the file and reading all of a session, in a warm process."""
    url = f"sqlite:///{folder / 'resume.db'}"
    async with Engine.open(url, durability="normal") as engine:
        await engine.register(SESSION)
        await _recorded(engine, turns)
        await engine.checkpoint(SESSION)
    with Sampler() as sampler:
        for _ in range(times):
            store = open_store(url)
            load(store, Mapper(), SESSION)
            page_of(store.recorder, Mapper(), SESSION, offset=0, limit=None)
            store.close()
    return table(f"a resume of {turns:,} turns, with snapshot", sampler, times)


async def an_audit(folder: Path, sessions: int = 20, turns: int = 1_000) -> str:
    """Profile an audit in one process."""
    url = f"sqlite:///{folder / 'audit.db'}"
    async with Engine.open(url, durability="normal") as engine:

        async def one(name: str) -> None:
            await engine.register(name)
            for _ in range(turns):
                await engine.record_turn(name, TURN)

        await asyncio.gather(*(one(session_id(f"audited-{n}")) for n in range(sessions)))
    store = open_store(url, readonly=True)
    with Sampler() as sampler:
        report = audit_store(store)
    store.close()
    return table("an audit", sampler, report.events, " an event")


PROFILES: Final[dict[str, Callable[[Path], Awaitable[str]]]] = {
    "turn": a_turn,
    "turns": many_turns,
    "resume": a_resume,
    "audit": an_audit,
}


async def main(names: list[str]) -> None:
    """Print the profiles that are named, or all."""
    for name in names or list(PROFILES):
        with tempfile.TemporaryDirectory() as folder:
            print(await PROFILES[name](Path(folder)), end="\n\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
