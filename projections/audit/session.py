"""The audit: replay of a session's raw rows, trusting nothing that the log says about itself.

Invariants: every row is looked at, even behind damaged ones; a finding names the session and the
version at which the log was changed. Behind a damaged event the lifecycle and the conversation are
unknown and are not guessed: the links, identities and versions of later events are still checked,
their meaning no longer is.

Not found. A position is the order of delivery and in no link, so only a position that contradicts
the versions of its own session is found. A writer of the file can write a session anew from some
event on, with links that follow, or cut its tail off: a head that was exported before shows that,
at the version of the head, and nothing else does.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

from perdure.aggregates import (
    InputAccepted,
    InputsDropped,
    Origin,
    Session,
    SessionEvent,
    SessionForked,
    initial_state,
    tag_of,
)
from perdure.aggregates.session.events import tags_of
from perdure.aggregates.session.state import origin_in
from perdure.errors import LogCorrupt, StoreError
from perdure.projections.audit.findings import Finding, Kind
from perdure.projections.audit.form import problem_of
from perdure.projections.audit.messages_and_receipts import replayed
from perdure.projections.audit.runs_inputs_calls import input_due
from perdure.projections.snapshots import Kept, encode_snapshot, version_within
from perdure.store import Mapper, links
from perdure.store.mapper import UNDECODABLE, contradiction
from perdure.store.recorder import LARGEST_POSITION, RawRow
from perdure.values import Head

_ASKING_MORE: Final = tags_of(SessionForked, InputsDropped)
"""The tags of events that are held against more than the state before them."""

_CANDIDATES: Final = 4
"""So many links are kept, beside the stored one, that the event behind a damaged one may follow."""

Origins = Callable[[str, Origin], Session]
"""Returns the state that a fork begins with; see `perdure.projections.origins.OriginReader`."""


class SessionAudit:
    """The audit of one session; feed it the session's rows in order, then `finish`.

    ``heads`` are heads exported earlier, ``snapshot`` is the kept snapshot, if there is one;
    ``origins`` reads the state that a fork goes on from.
    """

    def __init__(
        self,
        session_id: Any,
        mapper: Mapper,
        *,
        heads: Sequence[Head] = (),
        snapshot: Kept | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.session_id: Final = session_id
        self._mapper: Final = mapper
        self._heads: Final = heads
        self._snapshot: Final = snapshot
        self._origins: Final = origins
        self._exported: Final[dict[int, list[str]]] = {}
        for head in heads:
            self._exported.setdefault(head.version, []).append(head.link)
        self._findings: list[Finding] = []
        self._version = 0
        self._position = 0
        self._at = ""
        self._links: tuple[str, ...] = (links.genesis(printable(session_id)),)
        self._state: Session | None = initial_state(session_id)
        self._held: tuple[RawRow, SessionEvent, str] | None = None
        self._due: str | None = None  # the input that the next event must bring

    def check(self, row: tuple[Any, ...]) -> None:
        """Check one row (a plain tuple will do) against itself, those before it and the law."""
        if not self._take_if_sound(row):
            self._examine(RawRow(*row))

    def _take_if_sound(self, row: tuple[Any, ...]) -> bool:
        """Take a row in which `_examine` would find nothing wrong; else change nothing.

        Returns whether it was taken. This is quicker, as nearly all rows are sound.
        """
        position, session_id, version, topic, state = row
        before = self._state
        if (
            before is None
            or topic in _ASKING_MORE
            or self._due is not None
            or self._held is not None
            or version in self._exported
            or len(self._links) != 1
            or type(position) is not int
            or not self._position < position <= LARGEST_POSITION
            or type(version) is not int
            or version != self._version + 1
            or type(state) is not bytes
            or (self._snapshot is not None and self._snapshot.version == version)
        ):
            return False
        try:
            event = self._mapper.decode(state)
        except UNDECODABLE:
            return False
        if (
            event.session_id != session_id
            or event.version != version
            or tag_of(event) != topic
            or problem_of(event, state) is not None
            or self._runs_backwards(event.at)
        ):
            return False
        link = links.verified_link(self._links[0], state)
        if link is None:
            return False
        after, problems = replayed(before, event, state)
        if after is None or problems:
            return False
        self._position, self._version, self._links, self._state = position, version, (link,), after
        self._at = event.at
        return True

    def _runs_backwards(self, at: str) -> bool:
        """Whether a time is over a year before that of the event before; clocks are set by less."""
        return at < self._at and int(at[:4]) * 372 + int(at[5:7]) * 31 + int(at[8:10]) < (
            int(self._at[:4]) * 372 + int(self._at[5:7]) * 31 + int(self._at[8:10]) - 372
        )

    def _examine(self, row: RawRow) -> None:
        version = row.version
        event, problem = self._decoded(row)
        if self._held is not None:
            self._settle(version)
        follows = type(version) is int and version == self._version + 1
        if event is not None and (event.session_id, event.version) != (row.session_id, version):
            if follows:
                self._held = row, event, problem or ""
            else:
                self._find_stray(row, event, problem or "")
        elif follows or self._resumes(row):
            self._take(row, event, problem)

    def finish(self) -> list[Finding]:
        """Return the findings, after comparing the end with exported heads and the snapshot."""
        if self._held is not None:
            self._settle()
        for head in self._heads:
            if head.version > self._version:
                self._find(
                    "head",
                    self._version + 1,
                    f"the log ends at version {self._version}, but reached version {head.version} "
                    "when its head was exported",
                )
        kept = self._snapshot
        if kept is not None and not version_within(kept, self._version):
            newer = isinstance(kept.version, int) and kept.version > self._version
            detail = f"there is a snapshot of version {kept.version!r}, but no such event"
            self._find("snapshot", kept.version if newer else self._version, detail)
        return self._findings

    def _find(self, kind: Kind, version: int, detail: str) -> None:
        name = printable(self.session_id)
        self._findings.append(Finding(session_id=name, version=version, kind=kind, detail=detail))

    def _decoded(self, row: RawRow) -> tuple[SessionEvent | None, str | None]:
        """Return the row's event, if it is one, and the problem with the row by itself."""
        if not isinstance(row.state, bytes):
            return None, f"the state is {type(row.state).__name__}, not bytes"
        try:
            event = self._mapper.decode(row.state)
        except UNDECODABLE as error:
            return None, f"the row holds no event: {error}"
        return event, contradiction(row, event)

    def _settle(self, version: Any = None) -> None:
        """Judge the row that was held back, now that the version of the one behind it is known.

        A row that contradicts its event either replaced the event of its version, or strayed there
        from elsewhere and is no sign that anything else is missing.
        """
        assert self._held is not None  # noqa: S101 - the caller looked
        (row, event, problem), self._held = self._held, None
        if version == row.version:
            self._find_stray(row, event, problem)
        else:
            self._take(row, event, problem)

    def _find_stray(self, row: RawRow, event: SessionEvent, problem: str) -> None:
        version = row.version
        foreign = event.session_id != self.session_id and type(version) is int and version > 0
        where = version if foreign else max(1, event.version)
        self._find("identity", where, f"in the row at version {version!r}, {problem}")

    def _resumes(self, row: RawRow) -> bool:
        """Report a row that does not follow; return whether the rows behind it go on from it."""
        version = row.version
        if type(version) is not int or version < 1:
            self._find("identity", self._version + 1, f"a row's version is {version!r}")
        elif version <= self._version:
            self._find("duplicate", version, "this version is there more than once")
            if isinstance(row.state, bytes):  # either may be the one that the next event follows
                self._links = (links.stored_link(row.state) or "", *self._links[:_CANDIDATES])
            self._state = None
        else:
            first, last = self._version + 1, version - 1
            missing = f"version {first} is" if first == last else f"versions {first} to {last} are"
            self._find("missing", first, f"{missing} missing")
            self._links, self._state = (), None
            return True
        return False

    def _take(self, row: RawRow, event: SessionEvent | None, problem: str | None) -> None:
        """Check a row that is the session's event of its version."""
        version = self._version = row.version
        self._check_position(row)
        linked = self._check_link(version, row.state)
        if event is not None and problem is None:
            self._check_event(event, row.state)
        else:
            self._find("undecodable" if event is None else "identity", version, problem or "")
            self._state = None
        if not linked:
            self._state = None

    def _check_position(self, row: RawRow) -> None:
        position = row.position
        if not isinstance(position, int):
            self._find("order", row.version, f"the position is {position!r}")
            return
        if position <= self._position:
            detail = f"position {position} does not come after that of the event it follows"
            self._find("order", row.version, detail)
        elif position > LARGEST_POSITION:
            detail = f"position {position} is beyond any that a log can reach"
            self._find("order", row.version, detail)
        self._position = position

    def _check_link(self, version: int, state: Any) -> bool:
        """Return whether the link is right, and remember the links that the next may follow.

        After a mismatch the next event may follow the link as stored or as computed, so that one
        altered event is one finding, not two.
        """
        if not isinstance(state, bytes):
            self._links = ()
            return False
        for exported in self._exported.get(version, ()):
            if exported != links.stored_link(state):
                self._find("head", version, "the link is not the one exported as the head")
        computed: list[str] = []
        for previous in self._links:
            link = links.verified_link(previous, state)
            if link is not None:
                self._links = (link,)
                return True
            if len(computed) < _CANDIDATES:
                computed.append(links.expected_link(previous, state))
        stored = links.stored_link(state)
        if stored is None:
            self._find("link", version, "the event carries no link")
        elif computed:
            self._find("link", version, "the link does not match the event and the one before it")
        self._links = (stored, *computed) if stored else tuple(computed)
        return False

    def _check_event(self, event: SessionEvent, state: bytes) -> None:
        found = len(self._findings)
        self._check_meaning(event, state)
        if len(self._findings) == found:  # or the problem has been reported
            self._check_form(event, state)

    def _check_form(self, event: SessionEvent, state: bytes) -> None:
        problem = problem_of(event, state)
        if problem is not None:
            self._find("identity", event.version, f"no engine wrote this event: {problem}")
            return
        if self._runs_backwards(event.at):
            detail = f"the time runs backwards by over a year, from {self._at} to {event.at}"
            self._find("identity", event.version, detail)
        self._at = event.at

    def _check_meaning(self, event: SessionEvent, state: bytes) -> None:
        if isinstance(event, SessionForked) and self._origins is not None:
            self._go_on_from(event)
        if self._state is None:
            return
        due, self._due = self._due, input_due(self._state, event)
        if due is not None and not (isinstance(event, InputAccepted) and event.input_id == due):
            detail = f"the input {due!r}, which was to replace others, does not come behind it"
            self._find("transition", event.version - 1, detail)
        self._state, problems = replayed(self._state, event, state)
        for kind, problem in problems:
            self._find(kind, event.version, problem)
        kept = self._snapshot
        if self._state is None or kept is None or kept.version != event.version:
            return
        if encode_snapshot(self._state, links.stored_link(state) or "") != kept.state:
            self._find("snapshot", event.version, "the snapshot differs from the fold of the log")

    def _go_on_from(self, event: SessionForked) -> None:
        """Put the conversation that the fork goes on from in front of its first event."""
        if self._origins is None or self._state is None or self._state.version:
            return
        try:
            self._state = self._origins(self.session_id, origin_in(event))
        except (LogCorrupt, StoreError) as error:
            kind = error.data["kind"] if isinstance(error, LogCorrupt) else "storage"
            self._find(cast("Kind", kind), event.version, str(error))
            self._state = None


def audit_session(
    session_id: Any,
    rows: Iterable[RawRow],
    mapper: Mapper,
    *,
    heads: Sequence[Head] = (),
    snapshot: Kept | None = None,
    origins: Origins | None = None,
) -> list[Finding]:
    """Return everything wrong with one session's rows, given in order of version and position.

    ``origins`` reads the state that a fork goes on from; without it, only a fork of nothing holds.
    """
    audit = SessionAudit(session_id, mapper, heads=heads, snapshot=snapshot, origins=origins)
    for row in rows:
        audit.check(row)
    return audit.finish()


def printable(session_id: Any) -> str:
    """Return a session id as a report can carry it, also if the column holds no text."""
    if isinstance(session_id, str):
        return session_id.encode("utf-8", "backslashreplace").decode()
    return repr(session_id)
