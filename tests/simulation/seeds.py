"""One seed is one run: its draws, its requests, the deaths of its processes.

Invariants: everything that is drawn is drawn from the seed, so the same seed is the same run, to
the last byte of the log.
"""

import asyncio
import hashlib
import logging
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from perdure.runtime.session.checkpointers import CheckpointPolicy
from perdure.runtime.watch import streams

from .agents import Agent
from .calls import Call
from .clock import SimulatedLoop, Stalled
from .ending import FINAL, drive_on, rebuild, refer, settled, tamper
from .knowledge import Violation
from .shapes import FAVOUR, THEMES, Shape, fitting, shape_of
from .stores import Durable, DurableFile
from .subscribers import Subscriber
from .verbs import VERBS, perform
from .world import LEASES, Site, World

LONGEST_RUN_SECONDS: Final = 300.0
SHORT_STEPS: Final = 25
PAUSES: Final = (0.3, 2.0, 30.0)


class Report(NamedTuple):
    """The outcome of a seed. ``digest`` is over every row of the log, in order."""

    seed: int
    violation: str | None
    digest: str
    events: int
    seen: Counter[str]
    crash_at: int | None = None
    steps: int | None = None

    @property
    def command(self) -> str:
        """The command that replays it."""
        command = f"python -m tests.simulation --seed {self.seed}"
        if self.steps is not None:
            command += f" --steps {self.steps}"
        return command if self.crash_at is None else f"{command} --crash-at {self.crash_at}"


def run(
    seed: int,
    *,
    steps: int | None = None,
    crash_at: int | None = None,
    trace: Callable[[str], None] | None = None,
) -> Report:
    """Run a seed, asking ``steps`` times if that is given.

    ``crash_at`` lets the oldest process die after so many callbacks, besides the drawn deaths.
    """
    shape = shape_of(seed, steps)
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    quiet = logging.getLogger("perdure")
    level, buffered = quiet.level, streams.BUFFERED
    quiet.setLevel(logging.CRITICAL + 1)
    vars(streams)["BUFFERED"] = shape.buffered
    loop = SimulatedLoop(chance, shuffled=shape.shuffled)
    with tempfile.TemporaryDirectory() as directory:
        durable = DurableFile(Path(directory) / "log.db") if shape.on_file else Durable()
        world = World(
            chance, loop, durable, failing=shape.failing, knows_the_dead=shape.knows_the_dead
        )
        world.trace = trace
        world.restless = shape.checkpoints
        world.say(f"seed {seed}: {shape}")
        if crash_at is not None:
            loop.appoint(crash_at, lambda: _kill_the_oldest(world))
        try:
            loop.run_until_complete(_Run(world, shape).whole())
        except Stalled as stalled:
            world.violations.append(Violation("G9", str(stalled)))
        except Exception as error:
            if error not in world.violations:
                raise
        finally:
            loop.dispose()
            durable.close()
            quiet.setLevel(level)
            vars(streams)["BUFFERED"] = buffered
    if loop.complaints and not world.violations:
        world.violations.append(Violation("G9", f"unhandled: {loop.complaints[0]}"))
    whole = hashlib.sha256()
    for *_, state in world.rows:
        whole.update(state)
    world.seen["ticks"] += loop.ticks
    first = None
    if world.violations:
        first = str(world.violations[0])
        if not isinstance(world.violations[0], Violation):
            first = repr(world.violations[0])
    digest = whole.hexdigest()
    return Report(seed, first, digest, len(world.rows), world.seen, crash_at, steps)


def short_run() -> Report:
    """Return a short run with boundaries, in which a process can be let die at every await."""
    for seed in range(1000):
        report = run(seed, steps=SHORT_STEPS)
        seen = report.seen
        if min(seen["boundary-applied"], seen["run-completed"]) > 1 and seen["turn-applied"]:
            return report
    raise AssertionError("no short run lands boundaries")


def _kill_the_oldest(world: World) -> None:
    if world.sites and not world.ending:
        world.crash(world.sites[0], "at an await")


class _Run:
    """One run, from the first process to the last audit."""

    def __init__(self, world: World, shape: Shape) -> None:
        self._world: Final = world
        self._shape: Final = shape
        self._sessions: Final = world.sessions
        self._sessions.extend(f"s-{n}" for n in range(shape.sessions))
        self._subscribers: Final[list[Subscriber]] = []
        self._verbs: Final = list(VERBS)
        favoured = THEMES[shape.theme]
        self._weights: Final = [
            verb.weight * (FAVOUR if name in favoured else 1) for name, verb in VERBS.items()
        ]

    async def whole(self) -> None:
        world, chance = self._world, self._world.chance
        for _ in range(self._shape.sites):
            self._open()
        for _ in range(self._shape.steps):
            self._check()
            self._disturb()
            if not world.sites or (len(world.sites) < self._shape.sites and chance.random() < 0.3):
                self._open()
            self._subscribe()
            self._ask(chance.choice(world.sites))
            while len(world.operations) > 24:
                await asyncio.sleep(0.2)
                self._check()
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.05, 0.3, 1.0)) * self._hurry())
        await self._end()

    def _hurry(self) -> float:
        return 1.0 if self._world.chance.random() >= self._shape.hurry else 0.0

    def _check(self) -> None:
        if self._world.violations:
            raise self._world.violations[0]
        if self._world.loop.complaints:
            raise self._world.violated(Violation("G9", self._world.loop.complaints[0]))

    def _open(self) -> Site:
        world, chance = self._world, self._world.chance
        options: dict[str, Any] = {
            "lease_seconds": chance.choice(LEASES),
            "grace_seconds": chance.choice((0.05, 0.5, 2.0)),
            "max_active": chance.choice((None, None, 3)),
        }
        if self._shape.checkpoints:
            options["checkpoints"] = CheckpointPolicy(
                turns=chance.choice((None, 1, 3)), seconds=chance.choice((None, 0.5))
            )
        builds = chance.random() < 0.9

        def make(site: Site) -> dict[str, Any]:
            def build(view: Any) -> Any:
                return Agent(world, site)

            return options | ({"agents": build} if builds else {})

        return world.open(make)

    def _subscribe(self) -> None:
        """Begin a subscription, and let subscribers whose process is gone go on in another."""
        world, chance = self._world, self._world.chance
        for one in self._subscribers:
            if one.site not in world.sites and chance.random() < 0.3:
                one.start(chance.choice(world.sites))
        if len(self._subscribers) < self._shape.subscribers and chance.random() < 0.2:
            self._subscribers.append(Subscriber(world))
            self._subscribers[-1].start(chance.choice(world.sites))

    def _ask(self, site: Site) -> None:
        world = self._world
        chance = world.chance
        (name,) = chance.choices(self._verbs, self._weights)
        place = chance.randrange(len(self._sessions))
        log = world.log(self._sessions[place])
        if log.phase in FINAL and chance.random() < 0.7:
            self._sessions[place] = f"s-{len(self._sessions)}-{world.known.number()}"
            log = world.log(self._sessions[place])
        session_id = self._sessions[place]
        if not log.version and chance.random() < 0.8:
            name = "register"
        elif chance.random() < 0.4:
            name = chance.choice(fitting(log, self._shape.theme)) or name
        call = Call(world, site, session_id)
        world.operations.append(call)
        call.task = site.process.spawn(perform(call, name))
        call.task.add_done_callback(lambda _: call.lost(), context=site.process.context)

    def _disturb(self) -> None:
        """Let processes die, clocks jump and caches vanish."""
        world, chance = self._world, self._world.chance
        if chance.random() < self._shape.crashes and world.sites:
            site = chance.choice(world.sites)
            if chance.random() < 0.5:
                world.loop.appoint(
                    chance.choice((1, 3, 20, 80)), lambda: world.crash(site, "at an await")
                )
            else:
                when = chance.choice(("before a commit", "after a commit"))
                site.commit_to_die_at = when, chance.randint(1, 4)
        if chance.random() < 0.02 and world.sites:
            site = chance.choice(world.sites)
            site.skew += chance.choice((-20.0, -1.0, 1.0, 20.0))
            world.seen["a clock jumped"] += 1
        if chance.random() < 0.03 and world.sites:
            process = chance.choice(world.sites).process
            if not process.paused:
                world.loop.pause(process, chance.choice(PAUSES))
                world.say(f"{process.name} stands still")
                world.seen["a process stood still"] += 1
        if chance.random() < 0.1 and world.sites:
            site, name = chance.choice(world.sites), chance.choice(self._sessions)
            world.loop.appoint(chance.randint(1, 30), lambda: _discard(world, site, name))
        if chance.random() < 0.02:
            world.durable.observed[1].clear()
            world.seen["derived data was cleared"] += 1
        if chance.random() < 0.01 and len(world.sites) > 1:
            site = chance.choice(world.sites)
            if not site.closing:
                world.closes(site)
                site.process.spawn(_close(world, site))

    async def _end(self) -> None:
        """Let open calls end, close or kill every process, and check that all can go on."""
        world, chance = self._world, self._world.chance
        await settled(world, LONGEST_RUN_SECONDS)
        await asyncio.sleep(max(PAUSES) + 1.0)
        world.sync()
        self._check()
        for one in self._subscribers:
            if one.site in world.sites and not one.site.closing and one.pace != "stuck":
                left = one.behind
                if left or one.waits_in_vain:
                    what = f"{left} events and {list(one.emitted)} were never delivered"
                    raise world.violated(Violation("G6", what))
        world.heal()
        for site in list(world.sites):
            if chance.random() < 0.5 or site.closing:
                world.crash(site, "at the end")
            else:
                world.closes(site)
                site.process.spawn(_close(world, site))
        for _ in range(100):
            if not world.sites:
                break
            self._check()
            await asyncio.sleep(1.0)
        else:
            raise world.violated(Violation("G9", "an engine does not close"))
        await asyncio.sleep(2 * max(LEASES))
        world.inspect()
        world.ending = True  # from here on nothing dies
        site = self._open()
        site.skew = 60.0
        last = site.process.spawn(drive_on(world, site))
        await asyncio.wait({last}, timeout=LONGEST_RUN_SECONDS)
        self._check()
        if not last.done():
            raise world.violated(Violation("G9", "driving the sessions on does not end"))
        last.result()
        world.crash(site, "at the end")
        rebuild(world)
        if world.rows:
            tamper(world)
            refer(world)
        self._check()


def _discard(world: World, site: Site, session_id: str) -> None:
    """Drop a session's live copy in the middle of other work, but never one in use."""
    if site not in world.sites or site.closing:
        return
    version = world.log(session_id).version
    asking = site.engine.discard_live(session_id)
    discarded = None
    try:
        site.process.context.copy().run(asking.send, None)
    except StopIteration as done:
        discarded = done.value
    log = world.log(session_id)
    if discarded is None or log.version != version:
        raise world.violated(Violation("G6", f"discarding {session_id} waited, or wrote"))
    if log.current is not None and log.runs[log.current].epoch == site.engine._core.ownership.epoch:
        at_work = site.agents[session_id, log.current]
        world.seen["a copy in use was not discarded"] += bool(at_work)
        if at_work and discarded:
            raise world.violated(Violation("G4", f"{session_id} was discarded while it runs"))
    world.seen["a copy was discarded"] += discarded


async def _close(world: World, site: Site) -> None:
    await site.engine.close()
    world.seen["an engine was closed"] += 1
    world.closed(site)
