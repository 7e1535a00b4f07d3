"""Auditing a store: which sessions, in how many processes, compared with which exported heads.

Invariants: processes share nothing but ranges of session ids; a session is audited whole by one of
them; the report is the same for any number of processes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.store import Mapper, SQLiteRecorder, Store, open_store
from engine.store.mapper import RawRow
from engine.values import Head
from projections.audit import SessionAudit, printable
from projections.findings import AuditReport, Finding

Progress = Callable[[int], None]
"""Called with the number of sessions audited since the last call."""

_RANGES_PER_JOB: Final = 8


class _Part(msgspec.Struct):
    sessions: int = 0
    events: int = 0
    bytes: int = 0
    findings: list[Finding] = []


def audit_store(
    store: Store,
    *,
    session_ids: Sequence[str] = (),
    heads: Sequence[Head] = (),
    jobs: int = 1,
    progress: Progress | None = None,
) -> AuditReport:
    """Replay and verify the store's sessions, or just those named.

    ``heads`` are compared with what the log has now. With ``jobs`` above 1, a SQLite log is split
    among that many processes. A named session that is not there is a finding.
    """
    tell = progress or (lambda _sessions: None)
    total = _Part(findings=[])
    ranges = _ranges(store, jobs) if jobs > 1 and not session_ids else []
    if len(ranges) > 1 and isinstance(store.recorder, SQLiteRecorder):
        path = str(store.recorder.path)
        with ProcessPoolExecutor(max_workers=jobs) as pool:
            tasks = [pool.submit(_audit_range, path, low, high, heads) for low, high in ranges]
            for task in tasks:
                _add(total, task.result())
                tell(total.sessions)
    else:
        _add(total, _audit(store, store.recorder.scan(only=session_ids), heads, tell))
    total.findings += _absent(store, session_ids, heads)
    if not session_ids:
        total.findings += [
            Finding(session_id="", version=0, kind="storage", detail=problem)
            for problem in store.recorder.integrity_problems()
        ]
    return AuditReport(
        ok=not total.findings,
        sessions=total.sessions,
        events=total.events,
        bytes=total.bytes,
        findings=sorted(total.findings),
    )


def _audit(
    store: Store, rows: Iterable[tuple[Any, ...]], heads: Sequence[Head], tell: Progress
) -> _Part:
    mapper = Mapper()
    by_id = {head.session_id: head for head in heads}
    part = _Part(findings=[])

    def counted(rows: Iterable[tuple[Any, ...]]) -> Iterator[RawRow]:
        for row in rows:
            part.events += 1
            part.bytes += len(row[4]) if isinstance(row[4], bytes | str) else 0
            yield RawRow(*row)

    for session_id, group in groupby(counted(rows), key=lambda row: row.originator_id):
        kept = store.derived.snapshot(session_id) if isinstance(session_id, str) else None
        audit = SessionAudit(
            session_id, mapper, head=by_id.get(printable(session_id)), snapshot=kept
        )
        for row in group:
            audit.check(row)
        part.findings += audit.finish()
        part.sessions += 1
        tell(1)
    return part


def _audit_range(path: str, low: Any, high: Any, heads: Sequence[Head]) -> _Part:
    """Audit one range of sessions in a process of its own, on a store of its own."""
    store = open_store(f"sqlite:///{Path(path)}", readonly=True)
    try:
        return _audit(store, store.recorder.scan(low, high), heads, lambda _sessions: None)
    finally:
        store.close()


def _ranges(store: Store, jobs: int) -> list[tuple[Any, Any]]:
    """Return ranges of session ids, from low to below high, that cover the whole log.

    The ends are open, so that rows whose id is no text any more are in one of them too.
    """
    names = [name for name in store.recorder.session_ids() if isinstance(name, str)]
    step = max(1, len(names) // (jobs * _RANGES_PER_JOB))
    cuts = names[step::step]
    return list(zip([None, *cuts], [*cuts, None], strict=True))


def _add(total: _Part, part: _Part) -> None:
    total.sessions += part.sessions
    total.events += part.events
    total.bytes += part.bytes
    total.findings += part.findings


def _absent(store: Store, session_ids: Sequence[str], heads: Sequence[Head]) -> Iterator[Finding]:
    """Yield a finding for each session that was named or exported and has no event at all."""
    exported = {head.session_id: head for head in heads}
    for name in session_ids or exported:
        if store.recorder.last_version(name) is None:
            head = exported.get(name)
            known = "" if head is None else f"; it was at version {head.version}"
            yield Finding(
                session_id=name, version=1, kind="missing", detail=f"there is no event{known}"
            )
