"""Import: real transcripts, tool calls and all, a session a line."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.coordinator import Contest
from bench.report import (
    DURABILITY_NOTE,
    Report,
    Table,
    absent_rows,
    both,
    durability,
    label,
    median,
    ratio,
)
from bench.setup import ROOT, Setup

NAME: Final = "import"
TITLE: Final = "Import: real transcripts"

CONTENDERS: Final = ("perdure-full", "raw-full", "full-snapshots", "openai-agents")
NOTE: Final = (
    "The command starts an interpreter, derives ids from the content, checks every line and "
    "records 64 sessions at once; the others record the turns in order. The settings of its "
    "connection cannot be read from outside: the table shows those of the next row, whose engine "
    "is opened with the same defaults."
)
BESIDE: Final = ROOT.parent / "shared" / "data" / "airline-transcripts.jsonl"
BUNDLED: Final = ROOT / "engine" / "cli" / "commands" / "transcripts.jsonl"


def measure(setup: Setup) -> Report:
    """Run the item."""
    source = BESIDE if BESIDE.is_file() and not setup.quick else BUNDLED
    sessions = len(source.read_bytes().splitlines())
    rounds = setup.sized(4, 1)
    command: list[float] = []
    with Contest(setup, NAME, CONTENDERS) as contest:
        taken: dict[str, list[float]] = {name: [] for name in contest.names()}
        turns = 0
        for number in range(rounds):
            command.append(_command(setup.folder / f"imported-{number}.db", source))
            for worker in contest.round():
                with contest.attempt(worker):
                    found = worker.ask("replay", path=str(source), prefix=f"round-{number}")
                    taken[worker.name].append(found["seconds"])
                    turns = int(found["turns"])
        settings, absent = dict(contest.settings), dict(contest.absent)
    ours = median(command)
    rows = [
        [
            "`perdure import`, the whole command",
            f"as the next, by its defaults: {durability(settings['perdure-full'])}",
            "1.00x",
            *_row(command, turns, source),
        ]
    ]
    rows += [
        [
            f"{label(name)}, one session after another",
            durability(settings[name]),
            ratio(median(taken[name]), ours),
            *_row(taken[name], turns, source),
        ]
        for name in CONTENDERS
        if name in settings
    ]
    return Report(
        tables=[
            Table(
                f"{sessions:,} transcripts, {turns:,} turns, {source.stat().st_size:,} bytes",
                ["", "durability", "of ours", "turns a second", "MB a second", "median / p99"],
                rows + absent_rows(absent, 6),
            )
        ],
        notes=[DURABILITY_NOTE, NOTE],
        figures={"command": ours, **{label(n): median(v) for n, v in taken.items() if v}},
    )


def _row(found: list[float], turns: int, source: Path) -> list[str]:
    middle = median(found)
    rate = source.stat().st_size / middle / 1e6
    return [f"{turns / middle:,.0f}", f"{rate:.1f}", both(found)]


def _command(database: Path, source: Path) -> float:
    """Import with the command line; return the seconds from start to exit."""
    start = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "perdure.cli",
            "import",
            str(source),
            "--db",
            f"sqlite:///{database}",
        ],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    return time.perf_counter() - start
