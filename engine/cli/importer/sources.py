"""Where lines come from: files and standard input, one line at a time.

Invariants: every line knows its file and number; a line that is too long and a file that cannot be
read are reported in their places and keep no other from being read.
"""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from perdure.errors import InvalidArgument

STDIN: Final = "-"

MAX_LINE_BYTES: Final = 256 * 1024 * 1024
"""A longer line is refused and read past: memory must hold a line, and a stream may have no end."""
_CHUNK: Final = 1024 * 1024


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a file, counted from 1; ``file`` is its name as the user gave it."""

    file: str
    line: int
    data: bytes


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was not taken, and why. ``line`` is 0 for a file that cannot be read."""

    file: str
    line: int
    code: str
    message: str


def lines_of(files: Sequence[str], advance: Callable[[int], None]) -> Iterator[Line | Refused]:
    """Yield the lines of all the files in order, telling how many bytes were read."""
    for file in files:
        number = 0
        try:
            with _open(file) as source:
                while data := source.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    advance(len(data))
                    if len(data) <= MAX_LINE_BYTES:
                        yield Line(file=file, line=number, data=data)
                        continue
                    yield _refused(file, number, f"is longer than {MAX_LINE_BYTES:,} bytes")
                    while data and not data.endswith(b"\n"):
                        advance(len(data := source.readline(_CHUNK)))
        except OSError as error:
            yield _refused(file, number, f"cannot be read: {error.strerror}")


def total_bytes(files: Sequence[str]) -> int | None:
    """Return how many bytes there are to read, or None where that is not known in advance."""
    total = 0
    for file in files:
        try:
            status = Path(file).stat() if file != STDIN else os.fstat(sys.stdin.fileno())
        except (OSError, AttributeError):  # no such file, or standard input is closed
            continue
        if not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total


def _refused(file: str, line: int, why: str) -> Refused:
    return Refused(file=file, line=line, code=InvalidArgument.code, message=why)


def _open(file: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if file == STDIN:
        if sys.stdin is None:
            raise OSError(errno.EBADF, "standard input is closed")
        return contextlib.nullcontext(sys.stdin.buffer)
    return Path(file).open("rb")
