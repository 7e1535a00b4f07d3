"""The watcher: it tells listeners of this process's commits at once, and polls for those of others.

Invariants: a listener is set after every commit, and may be set more often; nothing is polled while
there is no listener; no error of a listener reaches a commit or another listener.
"""

import threading
from collections.abc import Callable
from typing import Final

from perdure.errors import PerdureError
from perdure.store.recorder import Listener, set_all
from perdure.store.sqlite.file import Unacknowledged

POLL_SECONDS: Final = 0.02
"""How often the watcher looks for other processes' commits, which must be seen within 100 ms."""


class Watcher:
    """Sets its listeners when ``data_version`` changes, and when told to.

    ``data_version`` returns a number that changes with every commit of another connection. Where it
    raises a PerdureError it is called again a moment later.
    """

    def __init__(self, data_version: Callable[[], int]) -> None:
        self._data_version = data_version
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._enough = threading.Event()
        self._closed = False

    def notify(self) -> None:
        """Set every listener now."""
        set_all(self._listeners)

    def add(self, listener: Listener) -> None:
        """Call ``listener.set()`` after every commit from now on."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
            if self._thread is None and not self._closed:
                self._enough = threading.Event()  # a new one: an older thread may still be ending
                self._thread = threading.Thread(
                    target=self._poll, args=(self._enough,), name="perdure-watcher", daemon=True
                )
                self._thread.start()

    def remove(self, listener: Listener) -> None:
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
        set_all(listeners)

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
                self.notify()  # they read, and learn that the file is gone
            except PerdureError:
                continue
            else:
                if version != seen:
                    seen = version
                    self.notify()
