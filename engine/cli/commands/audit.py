"""The audit command: replay, verify, compare with heads that were kept elsewhere.

Invariants: nothing is written to the evidence; the exit code is 0 only if everything holds.
"""

import contextlib
import functools
import multiprocessing
import signal
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from perdure.cli.options import DEFAULT_URL, AsJson, Database, SessionIds, checked_url
from perdure.cli.outcome import FAILED, NOTHING_COMPARED, answer_command
from perdure.cli.output import CommandAnswer, progress
from perdure.errors import InvalidArgument
from perdure.projections import AuditReport, Finding, audit_store
from perdure.store import open_store
from perdure.values import Head

Result = TypeVar("Result")


def _checked_file(path: Path | None) -> Path | None:
    if path is None or str(path) == "-":
        return path
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)  # a pipe is as good as a file
    except OSError as error:
        raise typer.BadParameter(f"there is no file {path} ({error.strerror})") from error
    if is_folder:
        raise typer.BadParameter(f"{path} is a folder")
    return path


def audit(
    session_ids: SessionIds = None,
    *,
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=_checked_file,
            help="Compare with heads that `perdure head --json` printed earlier; - is stdin.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Verify in so many processes.")] = 1,
    db: Database = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Verify everything: links, versions, legal transitions, receipts, digests, snapshots.

    Exits with 0 if everything holds, 1 if there are findings, and 3 if there was nothing to audit,
    or no head to compare.
    """
    with answer_command(as_json=as_json) as answer:
        heads = [] if head is None else read_heads(head)
        with contextlib.closing(open_store(checked_url(db), readonly=True)) as store:
            total = len(session_ids or store.recorder.session_ids())
            with progress("auditing", total, in_bytes=False) as advance:
                verify = functools.partial(
                    audit_store,
                    store,
                    session_ids=session_ids or (),
                    heads=heads,
                    jobs=jobs,
                    progress=advance,
                )
                report = verify() if jobs == 1 else run_uninterrupted(verify)
        if not report.ok:
            answer.exit_code = FAILED
        elif not report.sessions or (head is not None and not report.heads):
            answer.exit_code = NOTHING_COMPARED
        if as_json:
            answer.document(report)
        else:
            print_report(answer, report, head)


def run_uninterrupted(work: Callable[[], Result]) -> Result:
    """Work in processes that know nothing of Ctrl-C, and end them when it comes.

    They inherit from the thread that starts them that it is blocked. Otherwise each would print a
    traceback of its own, from wherever it was.
    """
    multiprocessing.get_context("spawn").Lock()  # starts a helper, which would unblock it again
    with ThreadPoolExecutor(max_workers=1, initializer=_block_interrupt) as thread:
        result = thread.submit(work)
        try:
            return result.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _block_interrupt() -> None:
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def read_heads(path: Path) -> list[Head]:
    """Return exported heads. Raises InvalidArgument where the file does not hold any."""
    text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        heads = msgspec.json.decode(text, type=list[Head])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _no_heads(path, str(error)) from error
    for one in heads:
        if one.version < 1:  # no log is shorter, so that any would hold
            raise _no_heads(path, f"session {one.session_id!r} was never at version {one.version}")
    return heads


def _no_heads(path: Path, problem: str) -> InvalidArgument:
    return InvalidArgument(
        f"{path} does not hold what `perdure head --json` prints: {problem}", parameter="head"
    )


def print_report(answer: CommandAnswer, report: AuditReport, heads: Path | None = None) -> None:
    """Print the findings and a closing line, and how many heads of the file were compared."""
    if report.findings:
        columns = Finding.__struct_fields__
        answer.table(columns, [[getattr(one, name) for name in columns] for one in report.findings])
    size = f"{report.sessions:,} sessions, {report.events:,} events, {report.bytes:,} bytes"
    count = len(report.findings)
    if report.ok and not report.sessions:
        answer.line("nothing was audited: the database holds no session")
        return
    verdict = "everything holds" if report.ok else f"{count} finding{'s'[: count != 1]}"
    answer.line(f"audited {size}: {verdict}")
    if heads is not None:
        answer.line(f"compared {report.heads:,} exported heads")
