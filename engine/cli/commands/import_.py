"""The import command: files of transcripts into the log.

Invariants: the printed counts add up to the lines that were read; a second import of the same lines
appends nothing.
"""

import contextlib
import itertools
from collections import Counter
from typing import Annotated, Any, get_args

import msgspec
import typer

from perdure.cli.importer.intake import Intake, Taken
from perdure.cli.importer.record import Status
from perdure.cli.importer.sources import Refused, lines_of, total_bytes
from perdure.cli.options import DEFAULT_URL, AsJson, Database
from perdure.cli.outcome import FAILED, answer_command
from perdure.cli.output import CommandAnswer, progress

_COUNTED = ("turns", "messages", "events")


def import_(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="JSONL files; - is stdin.", show_default=False),
    ],
    *,
    archive: Annotated[
        bool, typer.Option("--archive", help="Retire and archive each session at its end.")
    ] = False,
    db: Database = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Import transcripts: a session a line, {"id"?, "messages": [...]}, in OpenAI chat format.

    A turn starts at each user message; other keys of the line become the session's metadata.
    Turns that are recorded already are not recorded again; a longer line extends its session.
    """
    with answer_command(as_json=as_json) as answer:
        tally = _Tally(keep=as_json)
        with progress("importing", total_bytes(files), in_bytes=True) as advance:
            lines = lines_of(files, advance)
            first = next(lines, None)
            while isinstance(first, Refused):  # no database is made for what cannot be read
                tally.add(first)
                first = next(lines, None)
            if first is not None:
                with (
                    Intake(db, archive=archive) as intake,
                    contextlib.closing(intake.take(itertools.chain([first], lines))) as outcomes,
                ):
                    for outcome in outcomes:
                        tally.add(outcome)
        if tally.refused:
            answer.exit_code = FAILED
        if as_json:
            answer.document(tally.document())
        else:
            tally.print(answer)


class _Tally:
    """What became of the lines, counted; each of them too if ``keep``."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._lines: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self.refused: list[Refused] = []

    def add(self, outcome: Taken | Refused) -> None:
        """Count one line's outcome."""
        if isinstance(outcome, Refused):
            self.refused.append(outcome)
            return
        recorded = outcome.recorded
        self._counts[recorded.status] += 1
        for name in _COUNTED:
            self._counts[name] += getattr(recorded, name)
        if self._keep:
            place = {"file": outcome.file, "line": outcome.line}
            self._lines.append(place | msgspec.to_builtins(recorded))

    def document(self) -> dict[str, Any]:
        """Return everything as one JSON document."""
        names = (*get_args(Status), *_COUNTED)
        counts = {name: self._counts[name] for name in names}
        return {"ok": not self.refused, **counts, "lines": self._lines, "refused": self.refused}

    def print(self, answer: CommandAnswer) -> None:
        """Print each refusal where errors go, then the sums."""
        for one in self.refused:
            place = f"{one.file}:{one.line}" if one.line else one.file
            answer.problem(f"{place}: {one.message} [{one.code}]")
        statuses = [f"{self._counts[name]:,} {name}" for name in get_args(Status)]
        if self.refused:
            statuses.append(f"{len(self.refused):,} refused")
        sums = [f"{self._counts[name]:,} {name}" for name in _COUNTED]
        answer.line(f"sessions: {', '.join(statuses)}; appended: {', '.join(sums)}")
