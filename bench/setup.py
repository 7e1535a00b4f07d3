"""The setup of every work item: sizes, a folder, and the environments to start workers in."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
PEERS: Final = ROOT / ".bench-venv"
PINNED: Final = Path(__file__).parent / "peers.txt"
RESULTS: Final = Path(__file__).parent / "results"


class Setup(NamedTuple):
    """One run of the benchmark. ``complaints`` takes what workers write to stderr."""

    folder: Path
    complaints: IO[bytes]
    quick: bool = False
    peers: bool = True

    def sized(self, full: int, quick: int) -> int:
        """Return the size of something in this run."""
        return quick if self.quick else full


def compiling() -> dict[str, str]:
    """Return this environment for a process that keeps compiled modules, as it does by default.

    Those of other distributions are compiled when they are installed. If perdure's were not kept,
    each process would compile them anew, and that would be measured.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def interpreter(environment: str) -> str | None:
    """Return the interpreter of "project" or "peers", None where it is not there."""
    if environment == "project":
        return sys.executable
    found = _interpreter(PEERS)
    return str(found) if found.exists() else None


def install_peers() -> None:
    """Make the peers' environment, or bring it to the pinned versions, each package by itself.

    A package that cannot be installed does not prevent the others from being measured.
    """
    wanted = PINNED.read_text("utf-8")
    stamp = PEERS / "installed.txt"
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    print(f"installing the peers into {PEERS.name}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEERS)], check=True)
    complete = True
    for line in wanted.splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement:
            command = [str(_interpreter(PEERS)), "-m", "pip", "install", "--quiet", requirement]
            complete = subprocess.run(command, check=False).returncode == 0 and complete
    if complete:
        stamp.write_text(wanted, "utf-8")


def _interpreter(environment: Path) -> Path:
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"
