"""Very many seeds, on all cores, and one short run with a crash at each of its awaits.

Invariants: a failure is told with the command that replays it; the first failure does not end the
soak.
"""

import multiprocessing
import os
import sys
import time
from collections import Counter

from .seeds import SHORT_STEPS, Report, run, short_run

_TELL_SECONDS = 10.0


def soak(first: int, seeds: int, jobs: int | None = None) -> int:
    """Run seeds and say how it goes; return how many violated something, at most 1 of it."""
    started = told = time.monotonic()
    seen: Counter[str] = Counter()
    failed: list[Report] = []
    done = events = 0
    short = short_run()
    crashes_at = [(short.seed, SHORT_STEPS, tick) for tick in range(1, short.seen["ticks"])]
    drawn = [(seed, None, None) for seed in range(first, first + seeds)]
    seeds += len(crashes_at)
    with multiprocessing.get_context("spawn").Pool(jobs or os.cpu_count()) as pool:
        for report in pool.imap_unordered(_run, [*crashes_at, *drawn], chunksize=8):
            done += 1
            events += report.events
            seen += report.seen
            if report.violation is not None:
                failed.append(report)
                _say(f"seed {report.seed}: {report.violation}\n  replay it: {report.command}")
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                rate = done / (told - started)
                _say(f"{done} of {seeds} seeds, {len(failed)} failed, {rate:.1f} a second")
    seconds = time.monotonic() - started
    crashes = sum(count for what, count in seen.items() if what.startswith("crash"))
    _say(
        f"{done} seeds in {seconds:.0f} s ({done / seconds:.1f} a second): {events} events, "
        f"{crashes} crashes, {seen['ticks']} callbacks, {len(failed)} failed"
    )
    return 1 if failed else 0


def _run(given: tuple[int, int | None, int | None]) -> Report:
    seed, steps, crash_at = given
    try:
        return run(seed, steps=steps, crash_at=crash_at)
    except Exception as error:  # noqa: BLE001 - the soak goes on
        return Report(seed, repr(error), "", 0, Counter(), crash_at, steps)


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
