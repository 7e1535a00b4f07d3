"""Run all benchmarks and print one table: `make bench`."""

import asyncio
import json
import platform
import sqlite3
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.workload import RawTable, microseconds, rate_of, turns, written_bytes
from engine import Engine

ROUNDS = 5
GROWTH_TURNS = 10_000
WINDOW = 1_000
RESULTS = Path(__file__).parent / "results"

Row = tuple[str, str, str, str]


async def concurrent(folder: Path) -> list[Row]:
    """64 sessions at once against one alone, both at full durability, in alternating rounds."""
    raw = RawTable(folder / "raw-batches.db", "FULL")
    async with Engine.open(f"sqlite:///{folder / 'concurrent.db'}") as engine:
        await rate_of(engine, 64, 50)
        alone, together, many, raw_alone, raw_batches = [], [], [], [], []
        for _ in range(ROUNDS):
            alone.append(await rate_of(engine, 1, 500))
            together.append(await rate_of(engine, 64, 150))
            many.append(await rate_of(engine, 512, 20))
            raw_alone.append(raw.rate(sessions=1, commits=300))
            raw_batches.append(raw.rate(sessions=64, commits=50))
    raw.connection.close()
    return [
        (
            name,
            f"{statistics.median(rates) / statistics.median(one):.1f}x",
            target,
            f"{statistics.median(rates):,.0f} against {statistics.median(one):,.0f} turns a second",
        )
        for name, rates, one, target in (
            ("64 sessions at once / one alone, at full", together, alone, "at least 8x"),
            ("512 sessions at once / one alone, at full", many, alone, ""),
            ("the same of raw sqlite3: 64 rows a commit / one", raw_batches, raw_alone, "(limit)"),
        )
    ]


async def growth(folder: Path) -> list[Row]:
    """Compare a session of 10,000 turns with a new one, turn by turn in alternation."""
    path = folder / "growth.db"
    async with Engine.open(f"sqlite:///{path}") as engine:
        await rate_of(engine, 1, 1500)  # the write-ahead log reaches its size and is reused
        wrote = {}
        sessions = [await engine.register() for _ in range(3)]
        old, middle, new = (session.id for session in sessions)
        await turns(engine, old, 10)
        wrote[10] = await _bytes_each(engine, path, old)
        await turns(engine, old, GROWTH_TURNS - 2 * WINDOW - 10)
        wrote[GROWTH_TURNS] = await _bytes_each(engine, path, old)
        await turns(engine, middle, GROWTH_TURNS // 2)
        await turns(engine, new, 10)
        seconds: dict[str, list[float]] = {old: [], middle: [], new: []}
        for _ in range(WINDOW):
            for session_id, taken in seconds.items():
                taken.extend(await turns(engine, session_id, 1))
        rows = _row_sizes(path, (10, GROWTH_TURNS))
    at = {name: microseconds(taken) for name, taken in seconds.items()}
    return [
        (
            "median latency of a turn at 10,000 / at 10, at full",
            f"{at[old] / at[new]:.2f}x",
            "1.0 ± 0.1",
            f"{at[new]:.0f}, {at[middle]:.0f} (at 5,000), {at[old]:.0f} µs",
        ),
        (
            "bytes sent to storage by a turn at 10,000 / at 10",
            f"{wrote[GROWTH_TURNS] / wrote[10]:.2f}x" if wrote[10] else "not told here",
            "1.0 ± 0.1",
            f"{wrote[10]:,.0f} and {wrote[GROWTH_TURNS]:,.0f} bytes",
        ),
        (
            "bytes of a turn's row at 10,000 / at 10",
            f"{rows[1] / rows[0]:.3f}x",
            "1.0 ± 0.1",
            f"{rows[0]:,} and {rows[1]:,} bytes, of which messages 1,657",
        ),
    ]


async def _bytes_each(engine: Engine, path: Path, session_id: str) -> float:
    """Return the bytes that this process sends to storage for a turn, over a window of turns.

    The write-ahead log is folded into the file before and after, so that each window pays for just
    its own turns, whenever SQLite would have done it.
    """
    _fold_log(path)
    before = written_bytes()
    await turns(engine, session_id, WINDOW)
    _fold_log(path)
    after = written_bytes()
    return 0.0 if before is None or after is None else (after - before) / WINDOW


def _fold_log(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.close()


def _row_sizes(path: Path, versions: tuple[int, int]) -> list[int]:
    connection = sqlite3.connect(path)
    sizes = [
        connection.execute(
            "SELECT length(state) FROM stored_events WHERE originator_version = ?"
            " ORDER BY position DESC LIMIT 1",
            (version,),
        ).fetchone()[0]
        for version in versions
    ]
    connection.close()
    return sizes


async def against_raw(folder: Path) -> list[Row]:
    """One session's turns against raw single-row commits of the same bytes, interleaved."""
    rows = []
    for durability, synchronous, target in (("full", "FULL", 1.3), ("normal", "NORMAL", 2.0)):
        raw = RawTable(folder / f"raw-{durability}.db", synchronous)
        url = f"sqlite:///{folder / f'turns-{durability}.db'}"
        async with Engine.open(url, durability=durability) as engine:  # type: ignore[arg-type]
            session = await engine.register()
            await turns(engine, session.id, 50)
            ours: list[float] = []
            theirs: list[float] = []
            for _ in range(ROUNDS):
                theirs += raw.commits(300)
                ours += await turns(engine, session.id, 300)
        raw.connection.close()
        rows.append(
            (
                f"record_turn / raw sqlite3 commit ({raw.settings})",
                f"{microseconds(ours) / microseconds(theirs):.2f}x",
                f"at most {target}x",
                f"{microseconds(ours):.0f} against {microseconds(theirs):.0f} µs",
            )
        )
    return rows


def main() -> None:
    """Run everything, print the table and keep it."""
    benchmarks: list[Callable[[Path], Any]] = [against_raw, concurrent, growth]
    table: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for benchmark in benchmarks:
            table += asyncio.run(benchmark(Path(folder)))
    lines = [
        "| what | ratio | target | measured |",
        "| --- | --- | --- | --- |",
        *(f"| {' | '.join(row)} |" for row in table),
    ]
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    when = datetime.now(UTC)
    document = {
        "at": when.isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [dict(zip(("what", "ratio", "target", "measured"), r, strict=True)) for r in table],
    }
    name = f"{when:%Y%m%dT%H%M%S}"
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
