"""The machine that a run was made on, in words."""

import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

from bench.coordinator import version_of
from bench.report import both
from bench.setup import PINNED, ROOT, interpreter


def description(folder: Path, *, peers: bool) -> list[str]:
    """Return what there is to know, a line each, when databases are made in ``folder``."""
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


def state(folder: Path) -> str:
    """Return how busy the machine is: its load, and what a sync of 4 KiB takes just now.

    Where the two numbers of the sync are far apart, somebody else is writing, too.
    """
    try:
        load = f"{os.getloadavg()[0]:.1f}"
    except OSError:
        load = "unknown"
    return f"load {load}, sync {both(_syncs(folder))}"


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
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - whichever git is on the path
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return f"commit {found.stdout.strip()}" if found.returncode == 0 else "no commit"
