"""The log of a store: the rows it holds, and the protocol by which all other code reads and writes.

Invariants: a stream's versions follow each other without a gap; a submission is recorded whole or
not at all; no position appears below one that was already settled.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from eventsourcing.persistence import IntegrityError

from perdure.errors import StaleWriter, StoreError

_LOGGER: Final = logging.getLogger("perdure")


class StoredRow(msgspec.Struct, frozen=True, gc=False):
    """One event as it is stored; in a damaged log a value may be of another type.

    ``version`` is the event's place in its session, dense from 1. ``topic`` is the event's
    permanent tag, ``state`` its JSON with the link at the end.
    """

    session_id: str
    version: int
    topic: str
    state: bytes


class PositionedRow(StoredRow, frozen=True, gc=False):
    """A stored event with its place in the whole log."""

    position: int


class RawRow(NamedTuple):
    """A row as the storage holds it, of any types, for the audit to judge."""

    position: Any
    session_id: Any
    version: Any
    topic: Any
    state: Any


EventPlace = tuple[int, str, int]
"""The place of an event: its position, its session id and its version."""

LARGEST_POSITION: Final = 2**53 - 1
"""The last position that is believed: a log that grows by a million events a second reaches it in
285 years. SQLite gives rows behind the largest integer a random position."""

Submission = Sequence[StoredRow]
"""The rows of one commit."""

Outcome = Sequence[int] | Exception
"""The positions of a submission's rows, in their order, or the error that refused it."""

FIRST_VERSIONS: Final = (0, 1)
"""The versions that a stream may begin with. The engine's begin with 1; eventsourcing's own suites
use 0 as well."""


class StaleAppend(StaleWriter, IntegrityError):
    """An append that does not follow the newest event; also an eventsourcing IntegrityError."""


class RecorderRefusal(StoreError, IntegrityError):
    """A constraint of the database refused a row; also an eventsourcing IntegrityError."""


class Listener(Protocol):
    """An object to be told of commits, such as a `threading.Event`."""

    def set(self) -> None:
        """Take note of a commit. Called on any thread, so it must be quick and not block."""


class Recorder(Protocol):
    """The log of a store. Every member may be called from any thread.

    Members that read raise StoreError where the storage fails, and EngineClosed after the store was
    closed, unless they say otherwise. Members marked "on the event loop" are called on its thread,
    where every task waits for them: they must return within about a millisecond and not wait for
    another read. The others are called on threads of their own.

    A position is settled once no event can appear at a smaller one any more. Members that read by
    position show settled positions only, so a reader who remembers the last one misses nothing.
    Positions are integers from 1 and rise within a submission; they may have gaps.
    """

    @property
    def readonly(self) -> bool:
        """Whether the log can only be read."""

    def insert_many(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Record each submission whole or not at all; return their outcomes in order.

        The rows of a submission follow the newest event of their session, or each other. One that
        does not is refused with StaleWriter, and one that cannot be written with StoreError; the
        others are recorded all the same. A later submission of the same call may follow an
        earlier one. Returns once every accepted row is durable and can be read. Raises nothing.
        """

    def last_version(self, session_id: str) -> int | None:
        """Return the newest version of a session, None where it has no event. On the event loop."""

    def select_rows(
        self,
        session_id: str,
        *,
        after: int | None = None,
        upto: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        most_bytes: int | None = None,
    ) -> Sequence[StoredRow]:
        """Return a session's rows in the order of their versions.

        - ``after``: leave out this version and all before it.
        - ``upto``: leave out all after this version.
        - ``newest_first``: turn the order round, before ``limit`` and ``most_bytes`` apply.
        - ``limit``: return so many rows at most.
        - ``most_bytes``: end with the row whose state brings the sum to so many bytes. It is there
          to bound memory: a recorder that has the rows in memory may ignore it.
        """

    def page_after(
        self, position: int, limit: int, *, most_bytes: int | None = None
    ) -> Sequence[PositionedRow]:
        """Return the rows after a position, in the order of positions, ``limit`` at most.

        ``most_bytes`` is that of `select_rows`.
        """

    def rows_after(self, position: int, limit: int) -> Sequence[PositionedRow]:
        """Return what `page_after` does, for a small ``limit``. On the event loop."""

    def places_after(self, position: int, limit: int) -> Sequence[EventPlace]:
        """Return the places of the rows that `rows_after` returns. On the event loop."""

    def settled_position(self) -> int:
        """Return the newest settled position, 0 where nothing is recorded. On the event loop."""

    def listen(self, listener: Listener) -> None:
        """Call ``listener.set()`` after every commit from now on, of this process or another.

        One call may stand for several commits. It comes within 100 ms of the commit, and once
        more when the store is closed.
        """

    def unlisten(self, listener: Listener) -> None:
        """End what `listen` began; do nothing where it did not."""

    def scan(
        self,
        low: str | None = None,
        high: str | None = None,
        only: Sequence[str] = (),
        *,
        indexed: bool = True,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of many sessions as the storage holds them, damaged ones included.

        Each is a tuple of the fields of a `RawRow`.
        They come by session id (in the order of code points), then version, then position. A scan
        may take long; it delays no other read and no commit.

        - ``low``, ``high``: the session ids from ``low`` (included) to ``high`` (excluded).
        - ``only``: the session ids to read instead of a range.
        - ``indexed``: False does without any copy that an index keeps of a row's values.
        """

    def session_ids(self) -> list[Any]:
        """Return every session id in the log, in order, of any type where one is damaged."""

    def sizes(self) -> list[tuple[Any, int]]:
        """Return every session id in the log, in order, with the number of its events."""

    def integrity_problems(self) -> list[str]:
        """Return a sentence for each damage that the storage itself finds, none where it is sound.

        This is about pages, indexes and tables; the audit judges the rows.
        """


def set_all(listeners: Iterable[Listener]) -> None:
    """Call ``set()`` on each listener; an error of one is logged and keeps no other from its call.

    Pass a copy, because other threads add and remove listeners.
    """
    for listener in listeners:
        try:
            listener.set()
        except Exception:
            _LOGGER.exception("a listener failed")


def check_dense(
    rows: Sequence[StoredRow], last_version: Callable[[str], int | None]
) -> dict[str, int]:
    """Return the newest version of each session after the rows.

    Raises StaleWriter unless every row follows the newest event of its session.
    """
    newest: dict[str, int] = {}
    for row in rows:
        session_id = row.session_id
        last = newest.get(session_id)
        if last is None:
            last = last_version(session_id)
        version = row.version
        if (version not in FIRST_VERSIONS) if last is None else (version != last + 1):
            raise StaleAppend(session_id, version - 1, last or 0)
        newest[session_id] = version
    return newest
