"""The simulated world: a database, processes on it that come and go, and their knowledge.

Invariants: a caller's answer is in the log at that very moment; a row of the log stays as it is; an
operation that was alone with its session is refused only for a reason in the log.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, cast

import msgspec

from perdure import Engine, Environment
from perdure.projections import audit_store
from perdure.runtime.settings import Settings
from perdure.store import Store
from perdure.values import Receipt

from . import tools
from .clock import PROCESS, Crashed, Process, SimulatedLoop
from .knowledge import Knowledge, Violation, written
from .logs import SessionLog
from .stores import Durable, Handle

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
LEASES: Final = (1.0, 5.0, 15.0)


class Emitted(NamedTuple):
    """A live event that an agent has noted: its run, its number in that run, and the content.

    It is ``doubtful`` once the run's end is recorded: then it may be heard, or not any more.
    """

    run: tuple[str, str]
    number: int
    payload: Any
    doubtful: bool


class Site:
    """A process with an engine open in it."""

    def __init__(self, process: Process, engine: Engine, handle: Handle, skew: float) -> None:
        self.process: Final = process
        self.engine: Final = engine
        self.handle: Final = handle
        self.skew = skew
        self.closing = False
        self.adapter: Any = None
        self.controlling = 0
        self.owned: Final[set[str]] = set()
        self.agents: Final[Counter[tuple[str, str]]] = Counter()
        self.watching: Final[list[Any]] = []
        self.emitted: Final[Counter[tuple[str, str]]] = Counter()
        self.commit_to_die_at: tuple[str, int] | None = None


class World:
    """Everything outside of the engines."""

    def __init__(
        self,
        chance: random.Random,
        loop: SimulatedLoop,
        durable: Durable,
        *,
        failing: float,
        knows_the_dead: bool,
    ) -> None:
        self.chance: Final = chance
        self.loop: Final = loop
        self.durable: Final = durable
        self.known: Final = Knowledge()
        self.seen: Final[Counter[str]] = Counter()
        self.sites: Final[list[Site]] = []
        self.violations: Final[list[BaseException]] = []
        self.rows: Final[list[tuple[str, int, str, bytes]]] = []
        self.groups: Final[list[frozenset[str]]] = []  # that the session of a row belongs to
        self.ends: Final[dict[int, tuple[str, str]]] = {}  # rows that end a run: place, run
        self.trace: Callable[[str], None] | None = None
        self.heads: Final[dict[str, Any]] = {}
        self.asked: Final[dict[str, list[tuple[str, dict[str, Any]]]]] = {}
        self.disputed: Final[set[str]] = set()
        self.sessions: Final[list[str]] = []
        self.tools: Final = chance.choice(tools.SHAPES)  # the shape of this world's tool calls
        self.restless = False
        self.ending = False
        self.operations: Final[list[Any]] = []
        self._failing = failing
        self._knows_the_dead: Final = knows_the_dead
        self._ids = 0
        self._alive: Final[dict[str, Process]] = {}
        self._active: Final[dict[tuple[Process, str], int]] = {}
        self._starts: Final[Counter[str]] = Counter()
        self._dirty: Final[set[str]] = set()

    # Processes

    def open(self, make: Callable[["Site"], dict[str, Any]]) -> Site:
        """Start a process with an engine. ``make`` gives the engine's options for its site."""
        process = Process(f"process-{self.known.number()}", self.loop)
        self._alive[process.name] = process
        handle = Handle(
            process,
            self.loop,
            self.durable,
            crash_point=self._crash_point,
            fails=self._fails,
            chance=self.chance,
        )
        site: Site
        environment = Environment(
            now=lambda: START + timedelta(seconds=self.loop.time() + site.skew),
            new_id=self._new_id,
            holder=lambda: process.name,
            is_dead=lambda holder: self._knows_the_dead and holder not in self._alive,
        )
        site = Site.__new__(Site)
        site.skew = 0.0
        engine = process.context.run(
            lambda: Engine(handle, environment, Settings(**make(site))),
        )
        site.__init__(process, engine, handle, self.chance.choice((0.0, 0.0, 3.0, -3.0)))  # type: ignore[misc]
        self.known.epochs[engine._core.ownership.epoch] = process.name
        self.sites.append(site)
        self.say(f"{process.name} starts")
        return site

    def crash(self, site: Site, where: str) -> None:
        """End a process at once, and inspect the database."""
        if site not in self.sites:
            return
        self.sync()
        self.say(f"{site.process.name} dies {where}")
        self.seen[f"crash {where}"] += 1
        site.process.die()
        self._gone(site)
        self.inspect()

    def closed(self, site: Site) -> None:
        """Note that a process has closed its engine and ended."""
        self.sync()
        site.process.die()
        self._gone(site)

    def closes(self, site: Site) -> None:
        """Note that a process is about to close its engine."""
        site.closing = True
        self.known.closing.add(site.process.name)

    def _gone(self, site: Site) -> None:
        self.sites.remove(site)
        del self._alive[site.process.name]
        site.handle.lost()
        for key in [key for key in self._active if key[0] is site.process]:
            del self._active[key]
        for operation in [one for one in self.operations if one.site is site]:
            operation.lost()

    def _crash_point(self, process: Process, where: str) -> None:
        with contextlib.suppress(Violation):  # kept, and raised by the next check
            self.sync()
        for site in self.sites:
            if site.process is process and site.commit_to_die_at is not None:
                when, count = site.commit_to_die_at
                if when == where:
                    site.commit_to_die_at = (when, count - 1) if count > 1 else None
                    if count <= 1:
                        self.crash(site, where)
                        raise Crashed

    def _fails(self) -> bool:
        fails = self._failing > 0 and self.chance.random() < self._failing
        self.seen["a commit failed"] += fails
        return fails

    @property
    def failing(self) -> bool:
        """Whether commits may fail."""
        return self._failing > 0

    def heal(self) -> None:
        """Let no commit fail any more."""
        self._failing = 0.0

    def _new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids:06}"

    # Who is at work

    def enter(self, process: Process, session_id: str) -> None:
        """Note that something in a process begins to work on a session."""
        key = process, session_id
        self._active[key] = self._active.get(key, 0) + 1

    def leave(self, process: Process, session_id: str) -> None:
        """Note that it ended."""
        key = process, session_id
        self._active[key] -= 1
        if not self._active[key]:
            del self._active[key]

    def is_quiet(self, session_id: str) -> bool:
        """Whether no call works on a session."""
        return not self.restless and not any(name == session_id for _, name in self._active)

    def starts(self, session_id: str) -> int:
        """How often an operation on a session has begun."""
        return self._starts[session_id]

    def start(self, process: Process, session_id: str) -> None:
        """Note that an operation on a session begins."""
        self._starts[session_id] += 1
        self.enter(process, session_id)

    # The log

    def sync(self) -> None:
        """Take in the committed rows."""
        recorder = self.durable.observed[0]
        while new := recorder.rows_after(len(self.rows), 500):
            for row in new:
                session_id, version = str(row.session_id), row.version
                self.rows.append((session_id, version, row.topic, bytes(row.state)))
                if row.position != len(self.rows):
                    raise self.violated(Violation("G4", f"position {row.position} leaves a gap"))
                self.seen[row.topic] += 1
                self._dirty.add(session_id)
                log = self.known.logs.get(session_id)
                if log is None:
                    log = self.known.logs[session_id] = SessionLog(session_id, self.known)
                mobs, run = frozenset(log.mobs), log.current
                try:
                    log.take(version, row.topic, bytes(row.state))
                except Violation as violation:
                    raise self.violated(violation) from None
                self.groups.append(mobs | frozenset(log.mobs))
                if run not in (None, log.current):
                    self.ends[len(self.rows) - 1] = session_id, str(run)
                if self.trace is not None:
                    body = bytes(row.state)[:-76]
                    self.say(f"  {session_id}@{version} {row.topic} {body[-160:]!r}")

    def log(self, session_id: str) -> SessionLog:
        """Return a session's log as of now, an empty one at first."""
        self.sync()
        found = self.known.logs.get(session_id)
        return SessionLog(session_id, self.known) if found is None else found

    def inspect(self) -> None:
        """Hold everything that changed since the last time against the log (G6, G7)."""
        self.sync()
        store = observed(self.durable)
        names = sorted(self._dirty)
        self._dirty.clear()
        heads = [self.heads[name] for name in names if name in self.heads]
        if names:
            report = audit_store(store, session_ids=names, heads=heads)
            if not report.ok:
                raise self.violated(Violation("G7", f"the audit finds {report.findings}"))
        self.seen["inspections"] += 1

    # Messages and live events

    def emits(self, site: Site, session_id: str, run_id: str, payload: Any) -> None:
        """Note an event that an agent is about to emit, for all subscribers in its process."""
        number = site.emitted[session_id, run_id] = site.emitted[session_id, run_id] + 1
        ended = self.log(session_id).current != run_id
        one = Emitted((session_id, run_id), number, payload, ended)
        for subscriber in site.watching:
            if subscriber.concerns(session_id):
                subscriber.emitted.append(one)

    def says(self, session_id: str, role: str = "assistant") -> dict[str, Any]:
        """Return a message that no caller or agent has used before."""
        number = self.known.number()
        content: Any = f"{role} {number} «ü»"
        message: dict[str, Any] = {"role": role, "content": content}
        if self.chance.random() < 0.1:
            content = [{"type": "text", "text": content}]
            message = {"content": content, "role": role, "x": [1.5, None]}
        return self.known.give(session_id, message)

    def answers(self, session_id: str, call_id: str) -> dict[str, Any]:
        """Return the result of a tool call."""
        made = tools.result(self.tools, call_id, self.known.number())
        return self.known.give(session_id, made)

    def calls(self, session_id: str, count: int) -> tuple[list[dict[str, Any]], list[str]]:
        """Return messages that make tool calls, and their ids, some of them given before."""
        ids = [f"call-{self.known.number()}" for _ in range(count)]
        if self.chance.random() < 0.3:
            ids = [self.chance.choice(("call-again", ids[0])) for _ in ids]
        made = tools.made(self.tools, ids, self.known.number())
        return [self.known.give(session_id, message) for message in made], ids

    def gives(self, session_id: str, verb: str, given: dict[str, Any]) -> None:
        """Note a context text as the message that it is recorded as."""
        if "text" in given:
            self.known.give(session_id, {"role": "system", "content": given["text"].strip()})

    def heard(self, session_id: str, offset: int, messages: Iterable[dict[str, Any]]) -> None:
        """Compare a reader's messages with the conversation."""
        log = self.log(session_id)
        got = list(map(written, messages))
        if log.messages[offset : offset + len(got)] != got:
            raise self.violated(Violation("G6", f"session {session_id}: a reader got {got}"))

    def told_receipt(self, session_id: str, receipt: Receipt) -> None:
        """Check that a receipt that a caller was given is in the log by now (G2)."""
        log = self.log(session_id)
        run = log.runs.get(receipt.run_id)
        given = msgspec.to_builtins(receipt)
        given["contributing_input_ids"] = list(given["contributing_input_ids"])
        if run is None or given not in run.receipts:
            raise self.violated(
                Violation("G2", f"session {session_id}: {receipt} was told and is not recorded")
            )

    def violated(self, violation: BaseException) -> BaseException:
        """Keep a violation, also where its exception is suppressed; and return it to be raised."""
        self.violations.append(violation)
        self.say(f"!! {violation}")
        return violation

    def say(self, what: str) -> None:
        """Write to the run's trace."""
        if self.trace is not None:
            process = PROCESS.get()
            self.trace(f"{self.loop.time():9.4f} {process.name if process else 'world'}: {what}")


def observed(durable: Durable) -> Store:
    """Return the database outside of any process, to be audited and rebuilt from, not written."""
    recorder, derived, leases = durable.observed
    parts = {"recorder": recorder, "derived": derived, "leases": leases}
    return cast(Store, SimpleNamespace(**parts, persistent=False, reopening=lambda: None))
