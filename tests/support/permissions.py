"""Files as another user finds them, who owns nothing."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support import processes


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def opened_by_nobody(path: Path) -> list[str]:
    receiving, sending = processes.pipe()
    with receiving, sending:
        opener = processes.start(processes.open_as_nobody, f"sqlite:///{path}", sending)
        told: list[str] = processes.receive(receiving)
        processes.finish(opener)
    return told
