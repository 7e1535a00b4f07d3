"""The backup and restore commands: a verified copy of a store, of one moment.

Invariants: both make a copy, replay all of it, and only then give it its name; neither overwrites
anything; the source is only read.
"""

import contextlib
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from perdure.cli.commands.audit import print_report
from perdure.cli.options import DEFAULT_URL, AsJson, Database, checked_url
from perdure.cli.outcome import FAILED, answer_command
from perdure.cli.output import CommandAnswer, progress
from perdure.projections import AuditReport, audit_store
from perdure.store import open_store
from perdure.store.sqlite.copy import check_free, complete, remove
from perdure.store.sqlite.recorder import SQLiteRecorder
from perdure.store.sqlite.store import SQLITE_PREFIX, sqlite_path

_PAGES: Final = "copying"


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that was made: its path, its size, and the report of its audit."""

    file: str
    bytes: int
    audit: AuditReport


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy is made.")],
    *,
    db: Database = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Copy the database as it is now, while engines go on writing to it, and verify the copy."""
    with answer_command(as_json=as_json) as answer:
        _copy(answer, sqlite_path(checked_url(db)), file, "backed up to")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `backup` made.")],
    *,
    db: Database = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Verify a backup, and make a database of it where none is; it overwrites nothing."""
    with answer_command(as_json=as_json) as answer:
        _copy(answer, file, sqlite_path(checked_url(db)), "restored to")


def _copy(answer: CommandAnswer, source: Path, target: Path, done: str) -> None:
    """Copy one file to another, verified; the exit code is that of an audit of the copy."""
    check_free(target)
    with contextlib.closing(SQLiteRecorder(source, readonly=True)) as recorder:
        total = 0
        with progress(_PAGES, None, in_bytes=False) as advance:

            def tell(copied: int, _all: int) -> None:
                nonlocal total
                advance(copied - total)
                total = copied

            partial = recorder.copy_to(target, tell)
    try:
        with contextlib.closing(open_store(f"{SQLITE_PREFIX}{partial}", readonly=True)) as store:
            sessions = len(store.recorder.session_ids())
            with progress("verifying", sessions, in_bytes=False) as advance:
                report = audit_store(store, progress=advance)
        size = partial.stat().st_size
        complete(partial, target)
    finally:
        remove(partial)
    if not report.ok:
        answer.exit_code = FAILED
    if answer.as_json:
        answer.document(Copied(file=str(target), bytes=size, audit=report))
    else:
        answer.line(f"{done} {target} ({size:,} bytes)")
        print_report(answer, report)
