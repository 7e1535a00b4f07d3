"""Auditing a store: which sessions, in how many processes, compared with which exported heads.

Invariants: processes share nothing but ranges of session ids; a session is audited whole by one of
them; the report is the same for any number of processes. An index is only believed where SQLite,
which checks the file at the same time, finds that it agrees with the table; and where pages cannot
be read, each session is tried alone, so that one damaged page does not hide the others.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import msgspec

from perdure.errors import StoreError
from perdure.projections.audit.findings import AuditReport, Finding
from perdure.projections.audit.session import SessionAudit, printable
from perdure.projections.origins import OriginReader
from perdure.projections.rows import is_text
from perdure.projections.snapshots import kept_snapshot
from perdure.store import Mapper, Store
from perdure.values import Head

Progress = Callable[[int], None]
"""Called with the number of sessions audited since the last call."""

_RANGES_PER_JOB: Final = 8
_SESSION_ID: Final = itemgetter(1)
_SIZED: Final = (bytes, str)


class _Range(msgspec.Struct, frozen=True):
    """Some sessions: from ``low`` to below ``high``, or just ``only``; read by index or not."""

    low: str | None = None
    high: str | None = None
    only: tuple[str, ...] = ()
    indexed: bool = True

    def has(self, session_id: Any) -> bool:
        return is_text(session_id) and (
            session_id in self.only
            if self.only
            else (self.low is None or session_id >= self.low)
            and (self.high is None or session_id < self.high)
        )


class _Audited(msgspec.Struct):
    """The findings in a range of sessions; ``met`` are the names of those sessions."""

    sessions: int = 0
    events: int = 0
    bytes: int = 0
    met: list[str] = []
    findings: list[Finding] = []

    def add(self, part: "_Audited") -> None:
        self.sessions += part.sessions
        self.events += part.events
        self.bytes += part.bytes
        self.met += part.met
        self.findings += part.findings


def audit_store(
    store: Store,
    *,
    session_ids: Sequence[str] = (),
    heads: Sequence[Head] = (),
    jobs: int = 1,
    progress: Progress | None = None,
) -> AuditReport:
    """Replay and verify the store's sessions, or just those named.

    ``heads`` are compared with the log as it is now; there may be several of a session. With
    ``jobs`` above 1, a SQLite log is split among that many processes, which are spawned: a script
    that asks for them needs an ``if __name__ == "__main__"``. A named session that is not there is
    a finding. The file itself, pages and indexes, is only checked when all sessions are.
    """
    tell = progress or _untold
    whole = _Range(only=tuple(session_ids))
    if session_ids:
        total, problems = _audit_ranges(store, [whole], heads, jobs, tell), []
    else:
        # SQLite checks the file at the same time, without the interpreter's lock. Where it finds
        # that the index is wrong, everything is read again without the index.
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="perdure-audit") as checker:
            checked = checker.submit(_file_problems, store)
            total = _audit_ranges(store, _split(store, whole, jobs), heads, jobs, tell)
            problems = checked.result()
        if problems:
            by_table = _Range(indexed=False)
            total = _audit_ranges(store, _split(store, by_table, jobs), heads, jobs, _untold)
    total.findings += _absent(session_ids, heads, total.met)
    if not session_ids:
        total.findings += [_storage(problem) for problem in problems]
        total.findings += _orphans(store, total.met)
    return AuditReport(
        ok=not total.findings,
        sessions=total.sessions,
        events=total.events,
        bytes=total.bytes,
        findings=sorted({*total.findings}),
        heads=sum(whole.has(head.session_id) for head in heads),
    )


def _untold(_sessions: int) -> None:
    """Report no progress."""


def _audit_ranges(
    store: Store, ranges: Sequence[_Range], heads: Sequence[Head], jobs: int, tell: Progress
) -> _Audited:
    """Audit the ranges, in processes of their own where there are several, of a file."""
    total = _Audited()
    reopened = store.reopening()
    if len(ranges) > 1 and reopened is not None:
        # Only here, so that an audit in one process need not wait for these to load.
        import multiprocessing  # noqa: PLC0415
        from concurrent.futures import ProcessPoolExecutor, as_completed  # noqa: PLC0415

        context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
        with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
            tasks = [pool.submit(_audit_elsewhere, reopened, each, heads) for each in ranges]
            for task in as_completed(tasks):
                total.add(part := task.result())
                tell(part.sessions)
    else:
        for each in ranges:
            total.add(_audit_range(store, each, heads, tell))
    return total


def _audit_elsewhere(
    reopened: Callable[[], Store], chosen: _Range, heads: Sequence[Head]
) -> _Audited:
    """Audit one range of sessions in a process of its own, on a store of its own."""
    store = reopened()
    try:
        return _audit_range(store, chosen, heads, _untold)
    finally:
        store.close()


def _audit_range(store: Store, chosen: _Range, heads: Sequence[Head], tell: Progress) -> _Audited:
    try:
        return _audit(store, _scan(store, chosen), heads, tell)
    except StoreError as error:
        part = _Audited(findings=[_storage(str(error))])
    try:
        names = [name for name in store.recorder.session_ids() if chosen.has(name)]
    except StoreError:
        return part
    for name in names:
        try:
            part.add(_audit(store, _scan(store, _Range(only=(name,))), heads, tell))
        except StoreError as error:
            part.findings.append(_storage(str(error), name))
            part.met.append(name)
    return part


def _file_problems(store: Store) -> list[str]:
    try:
        return store.recorder.integrity_problems()
    except StoreError as error:  # too damaged for SQLite to say more
        return [str(error)]


def _scan(store: Store, chosen: _Range) -> Iterable[tuple[Any, ...]]:
    return store.recorder.scan(chosen.low, chosen.high, chosen.only, indexed=chosen.indexed)


def _audit(
    store: Store, rows: Iterable[tuple[Any, ...]], heads: Sequence[Head], tell: Progress
) -> _Audited:
    mapper = Mapper()
    exported: dict[str, list[Head]] = {}
    for head in heads:
        exported.setdefault(head.session_id, []).append(head)
    origins = OriginReader(store.recorder, mapper).state_before
    part = _Audited()
    for session_id, group in groupby(rows, key=_SESSION_ID):
        name = printable(session_id)
        kept = kept_snapshot(store, session_id) if is_text(session_id) else None
        audit = SessionAudit(
            session_id,
            mapper,
            heads=exported.get(name, ()),
            snapshot=kept,
            origins=origins,
        )
        events = size = 0
        check = audit.check
        for row in group:
            check(row)
            events += 1
            state = row[4]
            if isinstance(state, _SIZED):
                size += len(state)
        newest = row[2]
        part.events += events
        part.bytes += size
        found = audit.finish()
        if kept is not None and _was_overtaken(store, session_id, newest, kept.version):
            found = [one for one in found if one.kind != "snapshot"]
        part.findings += found
        part.sessions += 1
        part.met.append(name)
        tell(1)
    return part


def _was_overtaken(store: Store, session_id: str, read: Any, kept: Any) -> bool:
    """Whether the log has grown up to a snapshot that was taken after its rows were read."""
    if type(read) is not int or type(kept) is not int or kept <= read:
        return False
    return _newest(store, session_id) >= kept


def _newest(store: Store, session_id: str) -> int:
    """Return the session's newest version as of now, 0 where there is none or it is unreadable."""
    try:
        return store.recorder.last_version(session_id) or 0
    except StoreError:
        return 0


def _split(store: Store, whole: _Range, jobs: int) -> list[_Range]:
    """Return ranges of session ids that cover the whole log, of about as many events each.

    The ends are open, so that rows whose id is no text any more are in one of them too.
    """
    if jobs == 1 or store.reopening() is None:
        return [whole]
    try:
        sizes = [(name, count) for name, count in store.recorder.sizes() if is_text(name)]
    except StoreError:
        return [whole]
    share = sum(count for _, count in sizes) / (jobs * _RANGES_PER_JOB)
    cuts: list[str] = []
    filled = 0
    for name, count in sizes:
        if filled >= share:
            cuts.append(name)
            filled = 0
        filled += count
    return [
        _Range(low, high, indexed=whole.indexed)
        for low, high in zip([None, *cuts], [*cuts, None], strict=True)
    ]


def _storage(problem: str, session_id: str = "") -> Finding:
    return Finding(session_id=session_id, version=0, kind="storage", detail=problem)


def _absent(
    session_ids: Sequence[str], heads: Sequence[Head], met: Sequence[str]
) -> Iterator[Finding]:
    """Yield a finding for each session that was named or exported and has no event at all."""
    exported = {head.session_id: head for head in heads}
    for name in sorted({*(session_ids or exported)} - {*met}):
        head = exported.get(name)
        known = "" if head is None else f"; it was at version {head.version}"
        detail = f"there is no event{known}"
        yield Finding(session_id=name, version=1, kind="missing", detail=detail)


def _orphans(store: Store, met: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each snapshot of a session that the log does not have."""
    try:
        kept = store.derived.snapshot_ids()
    except StoreError:
        return  # no snapshot can be read, so none is ever used
    audited = {*met}
    for session_id in kept:
        name = printable(session_id)
        begun_since = is_text(session_id) and _newest(store, session_id) > 0
        if name not in audited and not begun_since:
            detail = "there is a snapshot of a session that the log does not have"
            yield Finding(session_id=name, version=0, kind="snapshot", detail=detail)
