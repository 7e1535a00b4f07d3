"""Run seeds: one, with everything that happens in it, or very many."""

import argparse
import sys

from .seeds import run
from .soaking import soak


def main() -> int:
    """Carry out the command line; the exit code says whether anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this seed and print its events")
    parser.add_argument("--steps", type=int, help="ask so often in it, not as often as it draws")
    parser.add_argument("--crash-at", type=int, help="end the oldest process after N callbacks")
    parser.add_argument("--quiet", action="store_true", help="only say how it ended")
    parser.add_argument("--seeds", type=int, default=10_000, help="run so many seeds")
    parser.add_argument("--first", type=int, default=0, help="beginning with this one")
    parser.add_argument("--jobs", type=int, help="in so many processes; all cores unless told")
    given = parser.parse_args()
    if given.seed is None:
        return soak(given.first, given.seeds, given.jobs)
    trace = None if given.quiet else _say
    report = run(given.seed, steps=given.steps, crash_at=given.crash_at, trace=trace)
    _say(f"seed {report.seed}: {report.events} events, {report.digest}")
    if report.violation is not None:
        _say(f"violated: {report.violation}")
    return report.violation is not None


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
