"""One operation on a session, from a caller in one process: its request and its answer."""

import asyncio
from typing import Final

from perdure import PerdureError

from .knowledge import Asked, Asking, Attempt, Violation
from .logs import SessionLog
from .world import Site, World

Refusals = tuple[type[PerdureError], ...]


class Call:
    """One operation on a session, from a caller in one process."""

    def __init__(self, world: World, site: Site, session_id: str) -> None:
        self.world: Final = world
        self.site: Final = site
        self.engine: Final = site.engine
        self.id: Final = session_id
        self.chance: Final = world.chance
        self.attempt: Attempt | None = None
        self.run_id: str | None = None
        self.certain: Refusals | None = None
        self.may_have_written = False
        self.in_steps = False
        self.refused_for_certain = False
        self.askings: Final[list[Asking]] = []
        self.task: asyncio.Task[None] | None = None
        self.before = 0

    @property
    def log(self) -> SessionLog:
        """The session's log as of now."""
        return self.world.log(self.id)

    def must(self, holds: object, guarantee: str, what: str) -> None:
        """Note a violation unless something holds."""
        if not holds:
            raise self.world.violated(Violation(guarantee, f"session {self.id}: {what}"))

    def often(self, share: float) -> bool:
        """Whether to do something that is done so often."""
        return self.chance.random() < share

    def lost(self) -> None:
        """Note that no caller will ever hear the answer."""
        if self in self.world.operations:
            self.world.operations.remove(self)
        if self.attempt is not None and self.attempt.status == "pending":
            self.attempt.status = "lost"
        for asking in self.askings:
            asking.over = True

    def asking(self, what: Asked, session_id: str | None = None) -> None:
        """Note the request to the session, or to another, for as long as this goes on."""
        self.askings.append(self.world.known.asking(what, session_id or self.id))

    def asks(self, run_id: str, attempt: Attempt) -> None:
        """Note which run is asked for, and the facts that are known of it before."""
        self.run_id = run_id
        attempt.machine_owned = self.id in self.site.owned
        self.attempt = self.world.known.ask(self.id, run_id, attempt)

    def queued(self, share: float) -> list[str]:
        """Some of the inputs that are queued."""
        return [one for one in self.log.inputs_in("queued") if self.often(share)]
