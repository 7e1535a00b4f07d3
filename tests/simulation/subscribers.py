"""Subscribers: recorded events come once and in order, also after a crash; live events of running
turns come beside them, and are never taken for facts.

Invariants: a subscriber keeps the position of its last event, and goes on from there, in another
process if its own has died; the event that it must be given next is read from the log, and from the
events that agents have noted.
"""

import asyncio
from collections import deque
from typing import Any, Final, Literal

from perdure.runtime.watch.streams import LiveEvent, Missed

from .knowledge import Violation
from .world import Emitted, Site, World

Pace = Literal["quick", "slow", "stuck"]
BUFFERS: Final = (1, 2, 4, 1024)
"""How many live events are kept for a subscriber: mostly so few that some are lost."""


class Subscriber:
    """One who subscribes to everything, to a session or to a group, live or not."""

    def __init__(self, world: World) -> None:
        chance = world.chance
        world.sync()
        self.world: Final = world
        self.session_id: Final = chance.choice((None, None, chance.choice(world.sessions)))
        mob = chance.choice((None, "mob-0")) if self.session_id is None else None
        self.mob: Final[str | None] = mob
        self.live: Final = chance.random() < 0.6
        self.pace: Pace = chance.choice(("quick", "quick", "slow", "slow", "stuck"))
        self.position = chance.randint(0, len(world.rows))
        self._from_now_on = chance.random() < 0.2
        self.site: Site | None = None
        self.task: asyncio.Task[None] | None = None
        self.emitted: Final[deque[Emitted]] = deque()
        self._missed = 0
        self._over: Final[set[tuple[str, str]]] = set()

    def start(self, site: Site) -> None:
        """Begin, or go on from the position that was kept."""
        self.world.seen["a subscriber went on elsewhere"] += self.site is not None
        self.site = site
        self.emitted.clear()
        self._missed = 0
        self._over.clear()
        self.task = site.process.spawn(self._take(site))

    def concerns(self, session_id: str) -> bool:
        """Whether a session's live events may be for it."""
        return self.live and self.session_id in (None, session_id)

    @property
    def behind(self) -> int:
        """How many recorded events it has still to be given."""
        return sum(map(self._is_ours, range(self.position, len(self.world.rows))))

    @property
    def waits_in_vain(self) -> bool:
        """Whether something that was emitted for it never came, all being quiet."""
        return self.mob is None and any(not one.doubtful for one in self.emitted)

    async def _take(self, site: Site) -> None:
        if site.closing:
            return
        given: Any = {"after": self.position, "mob": self.mob, "live": self.live}
        if self._from_now_on:
            self.world.sync()
            self._from_now_on, self.position = False, len(self.world.rows)
            given["after"] = "end"
        site.watching.append(self)
        async for one in site.engine.subscribe(self.session_id, **given):
            match one:
                case LiveEvent():
                    self._heard(one)
                case Missed():
                    self._missed += one.count
                    self._must(one.count > 0, "told that nothing was missed")
                    self.world.seen["live events were missed"] += 1
                case _:
                    self._told(one)
            if self.pace == "slow":
                await asyncio.sleep(self.world.chance.choice((0, 0.02, 0.3)))
            elif self.pace == "stuck":
                self.world.seen["a subscriber took no more"] += 1
                await asyncio.get_running_loop().create_future()

    def _must(self, holds: object, what: str) -> None:
        if not holds:
            who = self.mob or self.session_id or "all"
            raise self.world.violated(Violation("G6", f"a subscriber to {who}: {what}"))

    # Recorded events

    def _is_ours(self, place: int) -> bool:
        if self.mob is not None:
            return self.mob in self.world.groups[place]
        return self.session_id in (None, self.world.rows[place][0])

    def _told(self, delivery: Any) -> None:
        """Hold a delivery against the next row that it should be."""
        world = self.world
        world.sync()
        rows = range(self.position, len(world.rows))
        place = next((place for place in rows if self._is_ours(place)), None)
        expected = None if place is None else (place + 1, *world.rows[place][:3])
        got = delivery.position, delivery.session_id, delivery.version, delivery.tag
        self._must(got == expected, f"delivered {got}, expected {expected}")
        assert place is not None
        event = delivery.event
        self._must(event is not None and event.version == got[2], f"{got} came without its event")
        self.position = place + 1
        world.seen["followed"] += 1
        over = world.ends.get(place)
        if over is not None:
            self._over.add(over)
            late = [one for one in self.emitted if one.run == over and not one.doubtful]
            self._must(self.mob or not late, f"{over} has ended, and {late} never came")

    # Live events

    def _heard(self, event: LiveEvent) -> None:
        """Hold a live event against what agents emitted: in their order, none lost in silence."""
        self._must(self.live, f"{event} is live, which nobody asked for")
        self.world.seen["a live event was heard"] += 1
        if self.mob is not None:
            self._heard_of_a_member(event)
            return
        got = (event.session_id, event.run_id), event.number, event.payload
        doubtful = 0
        while self.emitted:
            one = self.emitted.popleft()
            if (one.run, one.number, one.payload) == got:
                break
            if one.doubtful:
                doubtful += 1
            elif self._missed:
                self._missed -= 1
            else:
                self._must(False, f"{one} was lost in silence: {event} came")
        else:
            self._must(False, f"{event} was emitted by nobody, or came twice")
        self._must(self._missed <= doubtful, f"told of {self._missed} more than it missed")
        self._missed = 0
        late = one.run in self._over and not one.doubtful
        self._must(not late, f"{event} came after its run's recorded end")

    def _heard_of_a_member(self, event: LiveEvent) -> None:
        run = event.session_id, event.run_id
        log = self.world.log(event.session_id)
        self._must(
            any(self.mob in groups for groups in log.groups), f"{event} is of no member's, ever"
        )
        found = [one for one in self.emitted if one.run == run]
        payloads = {one.number: one.payload for one in found}
        self._must(payloads.get(event.number) == event.payload, f"{event} was emitted by nobody")
        for one in found:
            if one.number <= event.number:
                self.emitted.remove(one)
