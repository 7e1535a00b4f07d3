"""Noticing commits: at once those of this process, within milliseconds those of others.

Invariants: a listener is set after every commit that it did not see yet, and may be set more often;
nothing is polled while nobody listens.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

from eventsourcing.persistence import ListenNotifySubscription

POLL_SECONDS: Final = 0.02
"""How often another process's commits are looked for; they must be seen within 100 ms."""


class Watcher:
    """Sets its listeners when ``data_version`` changes, and when told to.

    ``data_version`` returns a number that changes with every commit of any other connection.
    """

    def __init__(self, data_version: Callable[[], int]) -> None:
        self._data_version = data_version
        self._listeners: tuple[Any, ...] = ()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def notify(self) -> None:
        """Set every listener now."""
        for listener in self._listeners:
            listener.set()

    def add(self, listener: Any) -> None:
        """Call ``listener.set()`` after every commit from now on."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
            if self._thread is None:
                self._wake.clear()
                self._thread = threading.Thread(
                    target=self._poll, name="perdure-watcher", daemon=True
                )
                self._thread.start()

    def remove(self, listener: Any) -> None:
        """Stop setting ``listener``."""
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
            if self._listeners or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._wake.set()
        thread.join()

    def close(self) -> None:
        """Stop watching."""
        for listener in self._listeners:
            self.remove(listener)

    def _poll(self) -> None:
        seen = None
        while not self._wake.wait(POLL_SECONDS):
            version = self._data_version()
            if version != seen:
                seen = version
                self.notify()


class RecorderSubscription(ListenNotifySubscription[Any]):
    """An eventsourcing subscription on any recorder that can `listen`."""

    def __init__(self, recorder: Any, gt: int | None = None, topics: Any = ()) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        recorder.listen(self._has_been_notified)

    def stop(self) -> None:
        """Stop the iteration and the listening."""
        super().stop()
        self._recorder.unlisten(self._has_been_notified)
