"""The blocking twins of an engine's parts: each verb waits for the asynchronous one.

Invariants: there is no second implementation, and each verb has the docstring of the asynchronous
one.
"""

import contextlib
import functools
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Protocol, Self, TypeVar

from perdure.errors import EngineClosed
from perdure.machines import Token
from perdure.runtime.adapter import RuntimeAdapter as AsyncRuntimeAdapter
from perdure.runtime.control import Control as AsyncControl
from perdure.runtime.turn.admission import Claim
from perdure.sync.hosting import Host

_P = ParamSpec("_P")
_S_co = TypeVar("_S_co", covariant=True)
_T = TypeVar("_T")


class Blocking(Protocol[_S_co]):
    """The blocking twin of an asynchronous object, ``_engine``, whose verbs it waits for."""

    @property
    def _engine(self) -> _S_co: ...

    @property
    def _host(self) -> Host: ...


def blocking(
    verb: Callable[Concatenate[_S_co, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[Blocking[_S_co], _P], _T]:
    """Return the verb as a method that waits for its result."""

    @functools.wraps(verb, assigned=("__name__", "__qualname__", "__doc__", "__annotations__"))
    def method(self: Blocking[_S_co], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self._host.wait(verb(self._engine, *args, **kwargs))

    return method


class RuntimeAdapter:
    """One engine's control for the machine that owns its sessions; see `Engine.runtime_adapter`."""

    def __init__(self, engine: AsyncRuntimeAdapter, host: Host) -> None:
        self._engine: Final = engine
        self._host: Final = host

    @property
    def authority(self) -> Token:
        """The token that the machine's verbs need."""
        return self._engine.authority

    take = blocking(AsyncRuntimeAdapter.take)
    give_back = blocking(AsyncRuntimeAdapter.give_back)
    interrupt = blocking(AsyncRuntimeAdapter.interrupt)
    cancel_after_boundary = blocking(AsyncRuntimeAdapter.cancel_after_boundary)


class Control:
    """One engine's control plane, blocking; have it as ``engine.control``."""

    def __init__(self, engine: AsyncControl, host: Host) -> None:
        self._engine: Final = engine
        self._host: Final = host

    ingest = blocking(AsyncControl.ingest)
    retire = blocking(AsyncControl.retire)
    stop = blocking(AsyncControl.stop)
    recycle = blocking(AsyncControl.recycle)
    reset = blocking(AsyncControl.reset)
    recover = blocking(AsyncControl.recover)
    destroy = blocking(AsyncControl.destroy)
    runtime_state = blocking(AsyncControl.runtime_state)
    load_boundary_receipt = blocking(AsyncControl.load_boundary_receipt)
    publish_event = blocking(AsyncControl.publish_event)


class Reservation:
    """The right to run one turn of a session; returned by `release` or as a block ends."""

    def __init__(self, claim: Claim, host: Host) -> None:
        self.claim: Final = claim
        self._host: Final = host

    @property
    def session_id(self) -> str:
        """The session whose next turn is reserved."""
        return self.claim.session_id

    def release(self) -> None:
        """Return the right; do nothing while a turn uses it. Safe to call again."""

        async def release_claim() -> None:
            self.claim.release()

        with contextlib.suppress(EngineClosed):  # which has returned it
            self._host.wait(release_claim())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._host.is_ours():  # a forked process that leaves its parent's block has none
            self.release()


def claim_of(reservation: Any) -> Any:
    """Return the asynchronous engine's claim for a reservation, anything else as it is."""
    return reservation.claim if isinstance(reservation, Reservation) else reservation
