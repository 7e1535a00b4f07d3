"""Noticing commits: at once those of this process, within milliseconds those of others.

Invariants: a listener is set after every commit that it did not see yet, and may be set more often;
nothing is polled while nobody listens; no listener's error reaches the commit it is told of, or the
other listeners.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from eventsourcing.persistence import ListenNotifySubscription

from perdure.errors import PerdureError
from perdure.store.sqlite.file import Unacknowledged

_LOGGER: Final = logging.getLogger("perdure")

POLL_SECONDS: Final = 0.02
"""How often another process's commits are looked for; they must be seen within 100 ms."""


def ring(listeners: Iterable[Any]) -> None:
    """Call ``set()`` on each listener; one that raises is logged, and the others still hear."""
    for listener in listeners:
        try:
            listener.set()
        except Exception:
            _LOGGER.exception("a listener failed")


class Watcher:
    """Sets its listeners when ``data_version`` changes, and when told to.

    ``data_version`` returns a number that changes with every commit of any other connection, or
    raises PerdureError; then it is asked again a moment later.
    """

    def __init__(self, data_version: Callable[[], int]) -> None:
        self._data_version = data_version
        self._listeners: tuple[Any, ...] = ()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._enough = threading.Event()
        self._closed = False

    def notify(self) -> None:
        """Set every listener now."""
        ring(self._listeners)

    def add(self, listener: Any) -> None:
        """Call ``listener.set()`` after every commit from now on."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
            if self._thread is None and not self._closed:
                self._enough = threading.Event()  # its own: an older thread may not have ended yet
                self._thread = threading.Thread(
                    target=self._poll, args=(self._enough,), name="perdure-watcher", daemon=True
                )
                self._thread.start()

    def remove(self, listener: Any) -> None:
        """Stop setting ``listener``."""
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
            thread = None if self._listeners else self._end()
        if thread is not None:
            thread.join()

    def close(self) -> None:
        """Stop watching, and set every listener a last time so that none waits for ever."""
        with self._lock:
            self._closed = True
            listeners, self._listeners = self._listeners, ()
            thread = self._end()
        if thread is not None:
            thread.join()
        ring(listeners)

    def _end(self) -> threading.Thread | None:
        """Tell the polling thread to end, and return it."""
        thread, self._thread = self._thread, None
        self._enough.set()
        return thread

    def _poll(self, enough: threading.Event) -> None:
        seen = None
        while not enough.wait(POLL_SECONDS):
            try:
                version = self._data_version()
            except Unacknowledged:
                self.notify()  # listeners read, and so learn that the file is gone
            except PerdureError:
                continue
            else:
                if version != seen:
                    seen = version
                    self.notify()


class RecorderSubscription(ListenNotifySubscription[Any]):
    """An eventsourcing subscription on any recorder that can `listen`."""

    def __init__(self, recorder: Any, gt: int | None = None, topics: Any = ()) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        recorder.listen(self._has_been_notified)
        self._has_been_notified.set()  # for what was committed before we listened

    def stop(self) -> None:
        """Stop the iteration and the listening."""
        super().stop()
        self._recorder.unlisten(self._has_been_notified)
