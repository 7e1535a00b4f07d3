"""Where a durable turn, a resume and an audit spend their time: `make profile`.

A sampler looks at every thread many times a second and counts the line of this project that it is
on, whatever it has called from there. That is time on the clock, waiting included: a turn passes
through an event loop and a committer, and a profiler of calls would see one thread of the two, and
count small functions double for being watched.
"""

import asyncio
import collections
import linecache
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, NamedTuple, Self

from bench.setup import ROOT
from bench.workload import TURN, session_id
from engine import Engine

PERIOD_SECONDS: Final = 0.0002
LEAST_SHARE: Final = 0.012
LAYERS: Final = ("engine", "projections")
SESSION: Final = session_id("profiled")


class Place(NamedTuple):
    """A line of the project, or of Python where a thread is not in the project at all."""

    thread: str
    layer: str
    where: str
    line: str


class Sampler:
    """Counts, while it is open, where every other thread is."""

    def __init__(self) -> None:
        self.counts: Final[collections.Counter[Place]] = collections.Counter()
        self.samples = 0
        self.seconds = 0.0
        self._stop: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(PERIOD_SECONDS / 4)
        self._start = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.seconds = time.perf_counter() - self._start
        sys.setswitchinterval(self._interval)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_SECONDS):
            names = {one.ident: one.name for one in threading.enumerate()}
            self.samples += 1
            for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the one way there is
                name = names.get(ident, "")
                if name != "sampler":
                    self.counts[_place(_called(name), frame)] += 1


def _called(thread: str) -> str:
    if thread == "MainThread":
        return "event loop"
    return "worker" if thread.startswith("asyncio") else thread.removeprefix("perdure-")


def _place(thread: str, innermost: FrameType) -> Place:
    """Return the newest line of the project in a stack, or the innermost line of all."""
    frame: FrameType | None = innermost
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in LAYERS:
            parts = path.relative_to(ROOT).parts
            layer = ".".join(parts[:2] if len(parts) > 2 else parts[:1])
            return Place(thread, layer, f"{path.stem}.{frame.f_code.co_name}", _line(frame))
        frame = frame.f_back
    path = Path(innermost.f_code.co_filename)
    return Place(thread, "python", f"{path.stem}.{innermost.f_code.co_name}", _line(innermost))


def _line(frame: FrameType) -> str:
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()


def table(title: str, sampler: Sampler, times: int, unit: str = "") -> str:
    """Return what was sampled: for each thread, its layers and its lines, as time of one piece."""
    each = sampler.seconds / times
    scale = sampler.seconds / sampler.samples / times * 1e6
    lines = [f"{title}: {each * 1e6:,.1f} µs{unit} ({sampler.samples:,} samples)"]
    threads = collections.Counter[str]()
    for place, count in sampler.counts.items():
        threads[place.thread] += count
    for thread in sorted(threads, key=lambda one: (one != "event loop", one)):
        found = {place: n for place, n in sampler.counts.items() if place.thread == thread}
        layers = collections.Counter[str]()
        for place, count in found.items():
            layers[place.layer] += count
        parts = ", ".join(f"{name} {n * scale:,.1f}" for name, n in layers.most_common())
        lines += ["", f"  {thread}: {parts}"]
        for place, count in sorted(found.items(), key=lambda one: -one[1]):
            share = count / sampler.samples
            if share >= LEAST_SHARE:
                lines.append(
                    f"  {count * scale:10,.1f} µs {share:6.1%}  {place.where:<34.34}  "
                    f"{place.line:.72}"
                )
    return "\n".join(lines)


async def _recorded(engine: Engine, turns: int) -> None:
    for _ in range(turns):
        await engine.record_turn(SESSION, TURN)


async def a_turn(folder: Path) -> str:
    """Profile turns of one session at full durability."""
    turns = 6_000
    async with Engine.open(f"sqlite:///{folder / 'turn.db'}") as engine:
        await engine.register(SESSION)
        await _recorded(engine, 500)
        with Sampler() as sampler:
            await _recorded(engine, turns)
    return table("a durable turn, one session at full", sampler, turns)


async def many_turns(folder: Path) -> str:
    """Profile turns of 64 sessions at once at full durability."""
    names = [session_id(f"together-{n}") for n in range(64)]
    each = 400

    async def one(engine: Engine, name: str) -> None:
        for _ in range(each):
            await engine.record_turn(name, TURN)

    async with Engine.open(f"sqlite:///{folder / 'many.db'}") as engine:
        for name in names:
            await engine.register(name)
        with Sampler() as sampler:
            await asyncio.gather(*(one(engine, name) for name in names))
    return table("a durable turn, 64 sessions at full", sampler, each * len(names))


async def a_resume(folder: Path) -> str:
    """Profile opening the file and reading a session of 1,000 turns, in a warm process."""
    url = f"sqlite:///{folder / 'resume.db'}"
    async with Engine.open(url, durability="normal") as engine:
        await engine.register(SESSION)
        await _recorded(engine, 1_000)
        await engine.checkpoint(SESSION)
    times = 40
    with Sampler() as sampler:
        for _ in range(times):
            async with Engine.open(url) as engine:
                await engine.read(SESSION)
                await engine.history(SESSION)
    return table("a resume of 1,000 turns, with snapshot", sampler, times)


async def an_audit(folder: Path) -> str:
    """Profile an audit in one process."""
    sessions, turns = 20, 1_000
    url = f"sqlite:///{folder / 'audit.db'}"
    async with Engine.open(url, durability="normal") as engine:

        async def one(name: str) -> None:
            await engine.register(name)
            for _ in range(turns):
                await engine.record_turn(name, TURN)

        await asyncio.gather(*(one(session_id(f"audited-{n}")) for n in range(sessions)))
        with Sampler() as sampler:
            report = await engine.audit()
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
