"""The checks at the end of a run: every session goes on to its end, all derived data are made again
byte for byte, and a changed byte is found.

Invariants: all of this happens after the last crash, in a process that knows nothing but the log.
"""

import asyncio
from typing import Any, Final

import msgspec

from perdure import IllegalTransition, PerdureError
from perdure.aggregates.session.lifecycle import steps
from perdure.aggregates.session.work import in_phase
from perdure.machines import SESSION
from perdure.machines.reference import Reference
from perdure.projections import audit_store
from perdure.projections.catalog import list_sessions, view_of
from perdure.projections.snapshots import encode_snapshot, load
from perdure.store import Mapper, MemoryStore, StoredRow

from .agents import Polite
from .knowledge import Attempt, Violation
from .logs import SessionLog
from .work import LAW
from .world import Site, World, observed

FINAL: Final = ("archived", "destroyed")
_MAPPER: Final = Mapper()
_REFERENCE: Final = Reference(SESSION)


async def drive_on(world: World, site: Site) -> None:
    """Bring every session to an archived end (G9), in the last process there is."""
    for session_id in list(world.known.logs):
        try:
            await _drive(world, site, session_id)
        except PerdureError as error:
            raise world.violated(
                Violation("G9", f"session {session_id} cannot be driven on: {error!r}")
            ) from None


async def _drive(world: World, site: Site, session_id: str) -> None:
    log, engine = world.log(session_id), site.engine
    if log.phase not in FINAL:
        await engine.checkpoint(session_id)  # the first touch recovers
        world.sync()
        if log.phase == "running":
            raise world.violated(Violation("G9", f"session {session_id} still runs {log.current}"))
        for call_id in [one.id for one in log.in_the_way()]:
            stageable = "stage_tool_results" in LAW.allowed(log.law)
            if world.chance.random() < 0.5 or not stageable:
                await engine.abandon_call(session_id, call_id)
            else:
                await engine.stage_tool_results(session_id, [world.answers(session_id, call_id)])
        world.log(session_id)
        await _drained(world, site, log)
        await engine.archive(session_id)
    if world.log(session_id).phase not in FINAL:
        raise world.violated(Violation("G9", f"session {session_id} is {log.phase} at the end"))
    before = log.version
    for late in (
        lambda: engine.archive(session_id),
        lambda: engine.record_turn(session_id, [world.says(session_id)]),
        lambda: engine.stage_context(session_id, "too late"),
    ):
        try:
            await late()
        except IllegalTransition:
            continue
        raise world.violated(Violation("G5", f"session {session_id} took something at its end"))
    if world.log(session_id).version != before:
        raise world.violated(Violation("G5", f"session {session_id} was written to at its end"))


async def _drained(world: World, site: Site, log: SessionLog) -> None:
    if log.inputs_in("queued"):
        await site.engine.attach(log.id, Polite(world))
    while queued := log.inputs_in("queued"):
        run_id = f"run-{world.known.number()}"
        world.known.ask(log.id, run_id, Attempt("apply_turn", [], "run_start", queued))
        out = await site.engine.apply_turn(log.id, run_id=run_id, input_ids=queued)
        if world.log(log.id).inputs_in("queued") or out.receipt is None:
            raise world.violated(Violation("G9", f"session {log.id} does not drain: {out}"))


def rebuild(world: World) -> None:
    """Make everything derived again from the log, and compare it (G6, G7, G8)."""
    world.sync()
    kept = observed(world.durable)
    anew = MemoryStore()
    for session_id, version, topic, state in world.rows:
        anew.recorder.insert([StoredRow(session_id, version, topic, state)])
    _audited(world, kept)
    listed = list_sessions(kept, _MAPPER)
    if msgspec.json.encode(listed) != msgspec.json.encode(list_sessions(anew, _MAPPER)):
        raise world.violated(Violation("G6", "the catalog, made again, differs"))
    views = {view.id: view for view in listed}
    for session_id, log in world.known.logs.items():
        folded, _ = load(anew, _MAPPER, session_id)
        if folded is None or view_of(folded.state) != views.get(session_id):
            raise world.violated(Violation("G6", f"session {session_id} folds to something else"))
        _same_work(world, log, folded.state)
        snapshot = kept.derived.snapshot(session_id)
        if snapshot is not None:
            world.seen["a snapshot compared"] += 1
            then, _ = load(anew, _MAPPER, session_id, upto=snapshot[0])
            if then is None or encode_snapshot(then.state, then.head) != snapshot[1]:
                raise world.violated(Violation("G6", f"the snapshot of {session_id} differs"))


def _audited(world: World, store: Any) -> None:
    report = audit_store(store, heads=list(world.heads.values()))
    if not report.ok or report.events != len(world.rows):
        raise world.violated(Violation("G7", f"the audit finds {report}"))


def _same_work(world: World, log: SessionLog, state: Any) -> None:
    """Compare a session's work in hand, as the engine folds it, with the log."""
    work = state.work
    folded = (
        list(in_phase(work, "queued")),
        sorted(work.inputs),
        [(call.key, call.id, call.status, call.kept) for call in work.calls],
        work.calls_made,
        [bytes(message).decode() for message in work.results],
        [message.decode() for message in state.staged_context],
        sorted(state.runs),
        sorted(state.mobs),
        [
            raw and (msgspec.json.decode(raw), revision)
            for raw, revision in (
                (work.filter, work.filter_version),
                (work.next_filter, work.next_filter_version),
            )
        ],
    )
    read = (
        log.inputs_in("queued"),
        sorted(log.inputs),
        [(call.key, call.id, call.status, call.kept) for call in log.calls.values()],
        log.calls_made,
        [message for message, _ in log.results],
        log.staged,
        sorted(log.runs),
        sorted(log.mobs),
        [log.filter, log.next_filter],
    )
    if folded != read:
        raise world.violated(Violation("G6", f"{log.id} has {folded} in hand, and its log {read}"))


def tamper(world: World) -> None:
    """Change one byte of a copy, and look whether the audit finds it, and where (G7)."""
    chance = world.chance
    place = chance.randrange(len(world.rows))
    store = MemoryStore()
    damaged = b""
    for number, (session_id, version, topic, recorded) in enumerate(world.rows):
        state = recorded
        if number == place:
            at = chance.randrange(len(recorded))
            changed = bytes([recorded[at] ^ 1 << chance.randrange(7)])
            damaged = state = recorded[:at] + changed + recorded[at + 1 :]
        store.recorder.insert([StoredRow(session_id, version, topic, state)])
    name, version = world.rows[place][:2]
    found = [(one.session_id, one.version) for one in audit_store(store).findings]
    if (name, version) not in found:
        raise world.violated(
            Violation("G7", f"a byte of {name}@{version} was changed ({damaged!r}): found {found}")
        )
    world.seen["a changed byte was found"] += 1


def refer(world: World) -> None:
    """Replay one session with the reference authority, which shares nothing with ours (G8)."""
    log = world.known.logs[world.chance.choice(list(world.known.logs))]
    here: Any = LAW.initial
    for state in log.rows:
        for verb, arguments in steps(_MAPPER.decode(state)):
            there = _REFERENCE.step(here, verb, arguments)
            if there is None:
                raise world.violated(Violation("G8", f"the reference refuses {verb} in {log.id}"))
            here = there
    if here != log.law:
        raise world.violated(Violation("G8", f"the reference ends {here}, and we {log.law}"))


async def settled(world: World, seconds: float) -> None:
    """Wait until no operation is under way."""
    for _ in range(200):
        if not world.operations or world.violations:
            return
        await asyncio.sleep(seconds / 200)
    left = [f"{one.id} {one.run_id}" for one in world.operations]
    raise world.violated(Violation("G9", f"these never ended: {left}"))
