"""The verbs that read one session, now or as of a version, or many, or new events as they come.

Invariants: the only thing written here is the end of a lost run; a view says if its run has lost
its owner; long reads run off the event loop, on connections that no commit waits for.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping

import msgspec

from perdure.errors import InvalidArgument, ReceiptNotFound
from perdure.machines import SESSION
from perdure.projections import catalog
from perdure.projections.audit.findings import AuditReport
from perdure.projections.catalog import SessionView, view_of
from perdure.projections.history import HistoryPage, page_of, receipt_of_run, receipts_of
from perdure.projections.snapshots import load
from perdure.runtime.arguments import (
    checked_count,
    checked_ids,
    checked_labels,
    optional_id,
    several,
)
from perdure.runtime.core import Core, Start
from perdure.runtime.watch.streams import LiveEvent, Missed
from perdure.runtime.watch.subscriptions import Delivery, EventFeed
from perdure.values import Head, Receipt, checked_id

Sessions = list[SessionView]
Receipts = list[Receipt]


async def read(core: Core, session_id: str) -> SessionView:
    """Return the session as it is now, in any phase.

    A run whose owner is gone is shown as it is recorded, its ``ownerless`` True; the next verb
    that writes closes it (G9). Raises SessionNotFound.
    """
    core.check_open()
    state = (await core.sessions.read(checked_id(session_id, "session_id"))).state
    return await core.with_owner(view_of(state))


async def load_persisted(core: Core, session_id: str) -> SessionView | None:
    """Return the session if it can still go on, None if it was archived or destroyed.

    A session that was never registered raises SessionNotFound instead.
    """
    view = await read(core, session_id)
    return None if view.phase in SESSION.final else view


async def list_sessions(
    core: Core,
    *,
    phase: str | None = None,
    labels: Mapping[str, str] | None = None,
    mob: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Sessions:
    """Return sessions in the order of their registration.

    - ``phase``: only sessions in this phase.
    - ``labels``: only sessions that have all these labels.
    - ``mob``: only members of this mob.
    - ``after``: only sessions after this one; give the last of the page before.
    - ``limit``: at most so many.

    Listing closes no run: a run that has lost its owner is shown as recorded, with ``ownerless``
    True. Raises SessionNotFound for an unknown ``after``, InvalidArgument.
    """
    core.check_open()
    if limit is not None:
        checked_count(limit, "limit")
    phase = optional_id(phase, "phase")
    if phase not in (None, *SESSION.phases):
        raise InvalidArgument(
            f"{phase!r} is none of {', '.join(SESSION.phases)}", parameter="phase"
        )
    views = await asyncio.to_thread(
        catalog.list_sessions,
        core.store,
        core.mapper,
        phase=phase,
        labels=None if labels is None else checked_labels(labels),
        mob=optional_id(mob, "mob"),
        after=optional_id(after, "after"),
        limit=limit,
    )
    return [view if view.owner is None else await core.with_owner(view) for view in views]


async def history(
    core: Core, session_id: str, *, offset: int = 0, limit: int | None = None
) -> HistoryPage:
    """Return messages ``offset`` to ``offset + limit``, oldest first, as plain dicts.

    Raises SessionNotFound, InvalidArgument.
    """
    session_id = core.check_known(session_id)
    checked_count(offset, "offset")
    if limit is not None:
        checked_count(limit, "limit")
    return await asyncio.to_thread(
        page_of, core.store.recorder, core.mapper, session_id, offset=offset, limit=limit
    )


async def receipts(core: Core, session_id: str) -> Receipts:
    """Return all receipts of the session, oldest first. Raises SessionNotFound."""
    session_id = core.check_known(session_id)
    return await asyncio.to_thread(receipts_of, core.store.recorder, core.mapper, session_id)


async def load_receipt(core: Core, session_id: str, run_id: str, sequence: int = 1) -> Receipt:
    """Return one receipt. Raises SessionNotFound, ReceiptNotFound."""
    core.check_open()
    session_id, run_id = checked_id(session_id, "session_id"), checked_id(run_id, "run_id")
    checked_count(sequence, "sequence")
    folded = await core.sessions.read(session_id)
    version = folded.state.runs.get(run_id)
    if version is not None:
        receipt = await asyncio.to_thread(
            receipt_of_run,
            core.store.recorder,
            core.mapper,
            session_id,
            run_id=run_id,
            version=version,
            sequence=sequence,
        )
        if receipt is not None:
            return receipt
    raise ReceiptNotFound(
        f"session {session_id!r} has no receipt of run {run_id!r} with sequence {sequence}",
        session_id=session_id,
        run_id=run_id,
        sequence=sequence,
    )


async def as_of(core: Core, session_id: str, version: int) -> SessionView:
    """Return the session as it was at a version.

    Raises SessionNotFound, InvalidArgument for a version that it never had.
    """
    session_id = core.check_known(session_id)
    checked_count(version, "version")
    folded, _ = await asyncio.to_thread(load, core.store, core.mapper, session_id, upto=version)
    if folded is None or folded.state.version != version:
        raise InvalidArgument(
            f"session {session_id!r} has no version {version}",
            parameter="version",
            session_id=session_id,
        )
    return view_of(folded.state)


async def head(core: Core, session_id: str) -> Head:
    """Return the session's newest version and link, to be kept in another place.

    Raises SessionNotFound.
    """
    core.check_open()
    folded = await core.sessions.read(checked_id(session_id, "session_id"))
    state = folded.state
    return Head(session_id=state.id, version=state.version, link=folded.head)


async def audit(
    core: Core, session_ids: Iterable[str] = (), *, heads: Iterable[Head] = (), jobs: int = 1
) -> AuditReport:
    """Replay and verify the named sessions, or all; see `projections.audit_store`.

    - ``session_ids``: the sessions to audit; every session if there are none.
    - ``heads``: exported heads that the log must still hold.
    - ``jobs``: how many processes share the work.

    Raises InvalidArgument.
    """
    from perdure.projections.audit.store import audit_store  # noqa: PLC0415 - few processes audit

    core.check_open()
    named = checked_ids(session_ids, "session_ids")
    exported = tuple(_checked_head(one) for one in several(heads, "heads"))
    checked_count(jobs, "jobs", least=1)
    return await asyncio.to_thread(
        audit_store, core.store, session_ids=named, heads=exported, jobs=jobs
    )


def subscribe(
    core: Core,
    session_id: str | None = None,
    after: Start = 0,
    *,
    mob: str | None = None,
    live: bool = False,
) -> AsyncGenerator[Delivery | LiveEvent | Missed, None]:
    """Return recorded events, and with ``live`` emitted ones; see `Engine.subscribe`."""
    core.check_open()
    position = core.position(after)
    subscription = EventFeed(
        core.store,
        core.mapper,
        optional_id(session_id, "session_id"),
        mob=optional_id(mob, "mob"),
        streams=core.streams if live else None,
    )
    core.feeds.add(subscription)
    return subscription.events(position, lambda: core.closed)


async def end_subscriptions(core: Core) -> None:
    """End every subscription there is, once the events that it has read are delivered.

    For a server that waits for its connections to end before it closes the engine. Later
    subscriptions are not affected.
    """
    core.check_open()
    for feed in list(core.feeds):
        feed.end()


def _checked_head(given: object) -> Head:
    """Return the head if it has the form of one."""
    if not isinstance(given, Head) or not isinstance(given.link, str):
        raise InvalidArgument(f"heads must be Heads, not {given!r}", parameter="heads")
    checked_count(given.version, "heads.version")
    name = checked_id(given.session_id, "heads.session_id")
    return msgspec.structs.replace(given, session_id=name)
