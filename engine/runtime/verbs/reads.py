"""The verbs that read: of one session as it is or was, of many, and of what is being recorded.

Invariants: nothing here writes to the log; what is shown of a run says whether it has lost its
owner; long reads run off the event loop, on connections that no commit waits for.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, Final, Literal, overload

import msgspec

from perdure.aggregates import SessionEvent
from perdure.errors import (
    EngineClosed,
    InvalidArgument,
    ReceiptNotFound,
    SessionNotFound,
    Unsupported,
)
from perdure.machines import SESSION
from perdure.projections.audit.findings import AuditReport
from perdure.projections.catalog import SessionView, list_sessions, view_of
from perdure.projections.history import HistoryPage, page_of, receipt_of_run, receipts_of
from perdure.projections.rows import event_at
from perdure.projections.snapshots import load
from perdure.runtime.arguments import (
    checked_count,
    checked_ids,
    checked_labels,
    optional_id,
    several,
)
from perdure.runtime.session.cache import LiveSessions
from perdure.runtime.session.owner import Ownership
from perdure.runtime.watch.streams import LiveEvent, Missed, Streams
from perdure.runtime.watch.subscriptions import Delivery, Subscription
from perdure.store import Mapper, Store
from perdure.values import Head, Receipt, checked_id

Sessions = list[SessionView]
Receipts = list[Receipt]
Start = int | Literal["end"]
"""A position in the store, 0 for its beginning; or its end, as it is at the time of asking."""


class Reader:
    """The reading side of an engine."""

    def __init__(self, store: Store, ownership: Ownership) -> None:
        self._store: Final = store
        self._ownership: Final = ownership
        self._mapper: Final = Mapper()
        self._live: Final = LiveSessions(store, self._mapper)
        self._streams: Final = Streams()
        self._loop: Final = asyncio.get_running_loop()
        self._closed = False

    async def read(self, session_id: str) -> SessionView:
        """Return the session as it is now, whatever its phase; see `Engine.read`."""
        self._check_open()
        state = (await self._live.read(checked_id(session_id, "session_id"))).state
        return await self._with_owner(view_of(state))

    async def list(
        self,
        *,
        phase: str | None = None,
        labels: Mapping[str, str] | None = None,
        mob: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> Sessions:
        """Return sessions in the order they were registered, those with this phase and labels.

        ``mob`` is a group that they belong to. Those whose run has lost its owner are listed as
        they are recorded, with ``ownerless`` saying so: a listing closes nothing.

        ``after`` is the id of the last session of the page before. Raises SessionNotFound for one
        that is not there, InvalidArgument.
        """
        self._check_open()
        if limit is not None:
            checked_count(limit, "limit")
        phase = optional_id(phase, "phase")
        if phase not in (None, *SESSION.phases):
            raise InvalidArgument(
                f"{phase!r} is none of {', '.join(SESSION.phases)}", parameter="phase"
            )
        views = await asyncio.to_thread(
            list_sessions,
            self._store,
            self._mapper,
            phase=phase,
            labels=None if labels is None else checked_labels(labels),
            mob=optional_id(mob, "mob"),
            after=optional_id(after, "after"),
            limit=limit,
        )
        return [view if view.owner is None else await self._with_owner(view) for view in views]

    async def history(
        self, session_id: str, *, offset: int = 0, limit: int | None = None
    ) -> HistoryPage:
        """Return messages ``offset`` to ``offset + limit``, oldest first, as plain dicts.

        Raises SessionNotFound, InvalidArgument.
        """
        session_id = self._check_known(session_id)
        checked_count(offset, "offset")
        if limit is not None:
            checked_count(limit, "limit")
        return await asyncio.to_thread(
            page_of, self._store.recorder, self._mapper, session_id, offset=offset, limit=limit
        )

    async def receipts(self, session_id: str) -> Receipts:
        """Return all receipts of the session, oldest first. Raises SessionNotFound."""
        session_id = self._check_known(session_id)
        return await asyncio.to_thread(receipts_of, self._store.recorder, self._mapper, session_id)

    async def load_receipt(self, session_id: str, run_id: str, sequence: int = 1) -> Receipt:
        """Return one receipt. Raises SessionNotFound, ReceiptNotFound."""
        self._check_open()
        session_id, run_id = checked_id(session_id, "session_id"), checked_id(run_id, "run_id")
        checked_count(sequence, "sequence")
        folded = await self._live.read(session_id)
        version = folded.state.runs.get(run_id)
        if version is not None:
            receipt = await asyncio.to_thread(
                receipt_of_run,
                self._store.recorder,
                self._mapper,
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

    async def as_of(self, session_id: str, version: int) -> SessionView:
        """Return the session as it was at a version.

        Raises SessionNotFound, and InvalidArgument for a version it never had.
        """
        session_id = self._check_known(session_id)
        checked_count(version, "version")
        folded, _ = await asyncio.to_thread(
            load, self._store, self._mapper, session_id, upto=version
        )
        if folded is None or folded.state.version != version:
            raise InvalidArgument(
                f"session {session_id!r} has no version {version}",
                parameter="version",
                session_id=session_id,
            )
        return view_of(folded.state)

    async def head(self, session_id: str) -> Head:
        """Return the session's newest version and link, for keeping elsewhere.

        Raises SessionNotFound.
        """
        self._check_open()
        folded = await self._live.read(checked_id(session_id, "session_id"))
        state = folded.state
        return Head(session_id=state.id, version=state.version, link=folded.head)

    async def audit(
        self, session_ids: Iterable[str] = (), *, heads: Iterable[Head] = (), jobs: int = 1
    ) -> AuditReport:
        """Replay and verify sessions, all unless some are named; see `projections.audit_store`.

        Raises InvalidArgument for what are no ids, no heads, or not one process at least.
        """
        from perdure.projections.audit.store import audit_store  # noqa: PLC0415 - few processes audit

        self._check_open()
        named = checked_ids(session_ids, "session_ids")
        exported = tuple(_checked_head(one) for one in several(heads, "heads"))
        checked_count(jobs, "jobs", least=1)
        return await asyncio.to_thread(
            audit_store, self._store, session_ids=named, heads=exported, jobs=jobs
        )

    @overload
    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: Literal[False] = False,
    ) -> AsyncGenerator[Delivery, None]: ...

    @overload
    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: bool,
    ) -> AsyncGenerator[Delivery | LiveEvent | Missed, None]: ...

    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Return recorded events from after a position, of one session, a group's, or all.

        ``after`` is the last delivery's position, 0 for all there ever were, or "end" for what is
        recorded from this call on.

        A group's are those of its members, from joining to leaving. ``live`` adds what turns that
        run in this engine emit from this call on, as `LiveEvent`; a subscriber too slow for them is
        told with `Missed` how many are gone, and never delays a turn.

        Each recorded event is delivered once, in order, after its commit, whichever process made
        it. The iterator waits for more, and ends when the engine is closed. Keep the last
        delivery's position to go on from there later. Raises InvalidArgument, StoreError.
        """
        self._check_open()
        position = self._position(after)
        subscription = Subscription(
            self._store,
            self._mapper,
            optional_id(session_id, "session_id"),
            mob=optional_id(mob, "mob"),
            streams=self._streams if live else None,
        )
        return subscription.events(position, lambda: self._closed)

    async def _with_owner(self, view: SessionView) -> SessionView:
        """Return the view, which says so where the session's run has lost its owner."""
        if view.owner is None or not await self._is_ownerless(view.id, view.owner):
            return view
        return msgspec.structs.replace(view, ownerless=True)

    async def _is_ownerless(self, session_id: str, epoch: str) -> bool:
        """Whether nobody drives the session's run, which was begun under this epoch."""
        if self._live.drives(session_id):
            return False
        return epoch == self._ownership.epoch or await self._ownership.is_gone(epoch)

    def _position(self, after: Start) -> int:
        if after == "end":
            return self._store.recorder.max_notification_id() or 0
        checked_count(after, "after", other="'end'")
        return after

    async def _event(self, session_id: str, version: int) -> SessionEvent:
        """Return one recorded event. Raises LogCorrupt unless it follows the one before it."""
        return await asyncio.to_thread(
            event_at, self._store.recorder, self._mapper, session_id, version
        )

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed("the engine is closed")
        self._check_loop()

    def _check_loop(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self._loop:
            raise Unsupported(
                "the engine belongs to the event loop that it was opened in, and this is another: "
                "open one in each, or use perdure.sync from threads"
            )

    def _check_known(self, session_id: str) -> str:
        """Return the id of a session that exists, as `checked_id` does."""
        self._check_open()
        name = checked_id(session_id, "session_id")
        if self._store.recorder.last_version(name) is None:
            raise SessionNotFound(name)
        return name


def _checked_head(given: object) -> Head:
    """Return the head if it could be one of a session."""
    if not isinstance(given, Head) or not isinstance(given.link, str):
        raise InvalidArgument(f"heads must be Heads, not {given!r}", parameter="heads")
    checked_count(given.version, "heads.version")
    name = checked_id(given.session_id, "heads.session_id")
    return msgspec.structs.replace(given, session_id=name)
