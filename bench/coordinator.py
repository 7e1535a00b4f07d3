"""The coordinator: starts workers, and gives all contenders a slice of the work in turn.

Invariants: the order is shuffled anew each round, so that drift of the machine affects all alike
and no contender always follows the same one; a contender that is not installed, or fails, is left
out from then on and listed with the reason.
"""

import contextlib
import json
import os
import random
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bench.contenders import CONTENDERS
from bench.setup import ROOT, Setup, compiling, interpreter

ANSWER_SECONDS: Final = 900
"""How long a worker may take for one answer."""


PATIENCE: Final = 20
"""How many times longer perdure, the raw rows and the naive design may take to grow a session:
without them there is nothing to compare with."""


class Failed(Exception):
    """A worker could not carry out a request."""


class Worker:
    """One contender in a process of its own, on a file of its own."""

    def __init__(self, setup: Setup, name: str, path: Path) -> None:
        self.name: Final = name
        self.path: Final = path
        self.started: Final = time.perf_counter()
        python = interpreter(CONTENDERS[name].environment)
        if python is None:
            raise Failed("the peers' environment is not there")
        self._process: Final = subprocess.Popen(
            [python, "-m", "bench.worker", name, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=setup.complaints,
            cwd=ROOT,
            env={
                **compiling(),
                "OPENAI_AGENTS_DISABLE_TRACING": "1",
                "DBOS__APPVERSION": "bench",
            },
            text=True,
        )
        self._selector: Final = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
        try:
            self.answer()
        except Failed:
            self.stop()
            raise

    def allowed(self, seconds: float) -> float:
        """Return how long the contender may take to grow a session that others have this for."""
        return seconds * (PATIENCE if CONTENDERS[self.name].environment == "project" else 1)

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have something done and return the answer. Raises Failed."""
        self.send(do, **arguments)
        return self.answer()

    def send(self, do: str, **arguments: Any) -> None:
        """Have something done whose answer is fetched later."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Return the next answer. Raises Failed where there is none, or it is an error."""
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        if not self._selector.select(ANSWER_SECONDS):
            self._process.kill()
            raise Failed(f"no answer within {ANSWER_SECONDS} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"ended with status {self._process.wait()}")
        document = json.loads(line)
        if "error" in document:
            raise Failed(document["error"])
        return document["answer"]

    def stop(self) -> None:
        """End the process at once."""
        self._selector.close()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def close(self) -> None:
        """Close the contender, then end the process."""
        with contextlib.suppress(Failed, OSError):
            self.ask("close")
        self.stop()


class Contest:
    """Several contenders at the same work, each opened on a new file."""

    def __init__(self, setup: Setup, item: str, names: Sequence[str]) -> None:
        self.settings: Final[dict[str, dict[str, str]]] = {}
        self.absent: Final[dict[str, str]] = {}
        self._workers: Final[dict[str, Worker]] = {}
        self._order: Final = random.Random(0)  # noqa: S311 - the same order in every run
        for name in names:
            if CONTENDERS[name].environment == "peers" and not setup.peers:
                self.absent[name] = "peers were not asked for"
                continue
            try:
                worker = Worker(setup, name, setup.folder / f"{item}-{name}.db")
                self._workers[name] = worker
                self.settings[name] = worker.ask("open")
            except Failed as failure:
                self.leave_out(name, failure)

    def round(self) -> Iterator[Worker]:
        """Yield every worker once, in another order each round.

        Before each, the system writes its caches to the disk, so that no worker is measured while
        the system still writes the data of another.
        """
        names = list(self._workers)
        self._order.shuffle(names)
        for name in names:
            if name in self._workers:
                settle()
                yield self._workers[name]

    @contextlib.contextmanager
    def attempt(self, worker: Worker) -> Iterator[None]:
        """Leave the worker out if it fails at this; if it is perdure itself, fail."""
        try:
            yield
        except (Failed, OSError) as failure:
            self.leave_out(worker.name, failure)
            if worker.name.startswith("perdure"):
                raise

    def leave_out(self, name: str, failure: BaseException) -> None:
        """Take a contender out of the contest and keep the reason."""
        self.absent[name] = str(failure).splitlines()[0][:200]
        worker = self._workers.pop(name, None)
        self.settings.pop(name, None)
        if worker is not None:
            worker.stop()

    def names(self) -> list[str]:
        """Return who is still in it."""
        return list(self._workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers.values():
            worker.close()
            for suffix in ("", "-wal", "-shm", "-journal"):
                with contextlib.suppress(OSError):
                    Path(f"{worker.path}{suffix}").unlink()


def settle() -> None:
    """Have the system write its caches to the disk."""
    if hasattr(os, "sync"):
        os.sync()


@contextlib.contextmanager
def working(setup: Setup, name: str, path: Path) -> Iterator[Worker]:
    """Start a worker on a file, and close it at the end."""
    worker = Worker(setup, name, path)
    try:
        yield worker
    finally:
        worker.close()


def version_of(python: str | None, distribution: str) -> str:
    """Return the version that an environment has of a distribution, "absent" for none."""
    if python is None:
        return "absent"
    script = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    found = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "absent"
