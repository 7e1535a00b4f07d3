"""A store: a log, the data derived from it, leases, and the way by which commits reach the log.

Invariants: a store is opened and closed as a whole; every submission that was accepted has its
outcome before the store is closed.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from perdure.store.derived import Derived
from perdure.store.leases import Leases
from perdure.store.recorder import Outcome, Recorder, Submission

Durability = Literal["full", "normal"]
"""How durable a commit is once its outcome is known: with "full" it survives a power cut, with
"normal" the death of the process."""

Settle = Callable[[Sequence[Outcome]], None]
"""Called once with the outcomes of submissions, in their order; may be on any thread."""


class Store(Protocol):
    """A log with what belongs to it. Every member may be called from any thread."""

    @property
    def recorder(self) -> Recorder:
        """The log."""

    @property
    def derived(self) -> Derived:
        """The data derived from the log."""

    @property
    def leases(self) -> Leases:
        """The leases of the engines on the log."""

    @property
    def persistent(self) -> bool:
        """Whether the log outlives the process."""

    def commit_now(self, submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        """Commit the submissions on this thread, if that takes about a millisecond at most.

        Returns what `Recorder.insert_many` does, or None where nothing was done, for `submit` to
        do it. Does nothing while earlier submissions have no outcome yet, and after `close`: a
        session's commits must not overtake each other. Called on the event loop.
        """

    def submit(self, submissions: Sequence[Submission], settle: Settle) -> None:
        """Commit the submissions as `Recorder.insert_many` does, after all that came earlier.

        ``settle`` is called with their outcomes. It may be called before `submit` returns. Raises
        EngineClosed after `close`.
        """

    def reopening(self) -> Callable[[], "Store"] | None:
        """Return a function that opens the same log once more, to be read only.

        It can be pickled, for another process to call. None where only this process has the log.
        """

    def close(self) -> None:
        """Settle every submission, then release everything. Safe to call again.

        Sets every listener of the recorder a last time.
        """


class Opener(Protocol):
    """A function that opens the store at a URL."""

    def __call__(
        self, url: str, *, durability: Durability, busy_timeout_seconds: float, readonly: bool
    ) -> Store:
        """Return the store, which the caller closes; see `perdure.store.open_store`."""
