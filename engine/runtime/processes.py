"""Which process this is, and whether another is known to live or to have ended.

Invariants: a process is said to live, or to have ended, only where that is certain: on the same
machine since the same boot, in the same space of process ids, where it is there under its number
and start time, or is not. Of any other process neither is said.
"""

import functools
import os
import socket
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_START_TIME: Final = 19
"""The place of a process's start time in ``/proc/PID/stat``, behind its name (proc(5))."""


@functools.cache
def _machine() -> str:
    """Return what tells this boot of this machine, and its process ids, from all others."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def this_process() -> str:
    """Return an identity of this process that no other has had or will have."""
    pid = os.getpid()
    return f"{_machine()}/{pid}/{_started(pid) or ''}"


def is_running(holder: str) -> bool:
    """Whether the process of this identity is known to live, stopped by a signal or not."""
    machine, pid, started = _parts(holder)
    if machine != _machine() or not pid.isdecimal() or not started:
        return False
    return _started(int(pid)) == started


def has_ended(holder: str) -> bool:
    """Whether the process of this identity is known to have ended."""
    machine, pid, started = _parts(holder)
    if machine != _machine() or not pid.isdecimal():
        return False
    if started:
        return _started(int(pid)) != started
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _parts(holder: str) -> tuple[str, str, str]:
    """Return the machine, the process id and the start time that an identity is made of."""
    rest, _, started = holder.rpartition("/")
    machine, _, pid = rest.rpartition("/")
    return machine, pid, started


def _started(pid: int) -> str | None:
    """Return when the process started, in ticks since boot; None where it or /proc is not there."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[_START_TIME]
