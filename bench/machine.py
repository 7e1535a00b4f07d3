"""The machine that a run was made on, in words."""

import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from bench.coordinator import version_of
from bench.report import both, median, p99
from bench.setup import PINNED, ROOT, interpreter

MEASURED: Final = (
    "engine",
    "projections",
    "bench",
    "tests/support/reference_model.py",
    "pyproject.toml",
)
"""The files that a result depends on; the page that results are written into is none of them."""

CALM: Final = 8
"""How many times its median the 99th percentile of a sync may take on a machine left alone."""


def description(folder: Path, *, peers: bool) -> list[str]:
    """Return the machine and the versions, a line each, when databases are made in ``folder``."""
    python = interpreter("peers") if peers else None
    names = [
        line.partition("==")[0] for line in PINNED.read_text("utf-8").splitlines() if "==" in line
    ]
    versions = ", ".join(f"{name} {version_of(python, name)}" for name in names)
    processor = f"{_processor()}, {os.cpu_count()} cores, {_memory()} of memory"
    return [
        f"{processor}; {platform.system()} {platform.release()}",
        f"database on {_filesystem(folder)}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_revision()}",
        f"peers: {versions}",
    ]


class State(NamedTuple):
    """How busy the machine is, in words, and whether other programs plainly use it."""

    words: str
    busy: bool


def state(folder: Path) -> State:
    """Return the load, and the time of a sync of 4 KiB just now.

    Where a hundredth of the syncs take many times as long as most, other programs are writing or
    waiting for a processor; the waits of contenders are then those of their neighbours.
    """
    syncs = _syncs(folder)
    try:
        load = os.getloadavg()[0]
    except OSError:
        load = 0.0
    crowded = load > (os.cpu_count() or 1) + 1
    return State(
        f"load {load:.1f}, sync {both(syncs)}", crowded or p99(syncs) > CALM * median(syncs)
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'} ({platform.machine()})"


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "an unknown amount"
    return f"{total / 2**30:.0f} GiB"


def _filesystem(folder: Path) -> str:
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "an unknown file system"
    over = [one for one in mounts if folder.resolve().is_relative_to(one[1])]
    return max(over, key=lambda one: len(one[1]))[2] if over else "an unknown file system"


def _syncs(folder: Path) -> list[float]:
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(200):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return taken


def _revision() -> str:
    """Return the commit, and whether the code that ran differs from it."""
    commit = _git("rev-parse", "--short", "HEAD")
    if not commit:
        return "no commit"
    changed = _git("status", "--porcelain", "--", *MEASURED)
    return f"commit {commit}{' with changes that are not committed' if changed else ''}"


def _git(*arguments: str) -> str:
    """Return what git prints, nothing where it cannot be asked."""
    try:
        found = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the git on the path
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    except OSError:
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
