"""A workflow of your own: spending requests, approved by one person or, above a limit, by two.

The declaration is checked, run and audited by the same means as perdure's own sessions.
docs/lifecycles.md walks through it.
"""

import msgspec

from perdure.machines import (
    PHASE,
    Always,
    AlwaysPossible,
    Arg,
    Bound,
    Configuration,
    Count,
    Identity,
    Machine,
    Sometimes,
    Value,
    Var,
    Verb,
    implies,
    in_phase,
    row,
)

# The declaration: who may do what, and when

LARGEST = Bound("largest", actual=1_000_000, checked=2)
LIMIT = Bound("limit", actual=5_000, checked=1)

PEOPLE = ("ann", "bob", "cid")
BY = Identity("by", PEOPLE)
author, approver, amount = Var("author"), Var("approver"), Var("amount")

NOT_THE_AUTHOR = Arg("by").differs(author)
SECOND = approver.differs(None) & Arg("by").differs(approver)

APPROVAL = Machine(
    name="approval",
    phases=("draft", "submitted", "approved", "paid", "rejected", "withdrawn"),
    initial="draft",
    final=("paid", "rejected", "withdrawn"),
    variables=(
        Identity("author", PEOPLE),
        Identity("approver", PEOPLE),
        Count("amount", LARGEST),
    ),
    verbs=(
        Verb("submit", (BY, Count("amount", LARGEST))),
        Verb("approve", (BY,)),
        Verb("reject", (BY,)),
        Verb("withdraw", (BY,)),
    ),
    rows=(
        row(
            "submit",
            "draft",
            "submitted",
            guard=Arg("amount") > 0,
            updates={"author": Arg("by"), "amount": Arg("amount")},
        ),
        # Up to the limit one approval is enough; above it, two different people approve.
        row(
            "approve",
            "submitted",
            "approved",
            guard=NOT_THE_AUTHOR & (amount <= LIMIT),
            updates={"approver": Arg("by")},
        ),
        row(
            "approve",
            "submitted",
            guard=NOT_THE_AUTHOR & (amount > LIMIT) & approver.equals(None),
            updates={"approver": Arg("by")},
        ),
        row("approve", "submitted", "approved", guard=NOT_THE_AUTHOR & (amount > LIMIT) & SECOND),
        row("reject", "submitted", "rejected", guard=NOT_THE_AUTHOR),
        row("withdraw", ("submitted", "approved"), "withdrawn", guard=Arg("by").equals(author)),
        row("pay", "approved", "paid"),
    ),
    properties=(
        Always(
            "an author never decides on their own request", NOT_THE_AUTHOR, on=("approve", "reject")
        ),
        Always(
            "a paid request was approved",
            implies(in_phase("paid"), approver.differs(None)),
        ),
        Sometimes("a large request is paid", PHASE.equals("paid") & (amount > LIMIT)),
        AlwaysPossible("a request can come to an end", in_phase("paid", "rejected", "withdrawn")),
    ),
)

# An implementation, written by hand: it knows nothing of the declaration


class Refused(Exception):
    """The request cannot do that now, or not for this person."""


class Request(msgspec.Struct, frozen=True):
    """The state of a request."""

    phase: str = "draft"
    author: str | None = None
    amount: int = 0
    approvers: tuple[str, ...] = ()


Event = tuple[str, tuple[Value, ...]]
"""A verb that was accepted, and its arguments."""


def decide(request: Request, verb: str, by: str = "", asked: int = 0) -> Event:
    """Return the event of an accepted verb. Raises Refused."""
    large = request.amount > LIMIT.actual
    match verb, request.phase:
        case "submit", "draft" if by and 0 < asked <= LARGEST.actual:
            return verb, (by, asked)
        case "approve", "submitted" if by and by not in (request.author, *request.approvers):
            return verb, (by,)
        case "reject", "submitted" if by and by != request.author:
            return verb, (by,)
        case "withdraw", "submitted" | "approved" if by == request.author:
            return verb, (by,)
        case "pay", "approved" if len(request.approvers) == 1 + large:
            return verb, ()
        case _:
            raise Refused(f"{by or 'no one'} cannot {verb} a request that is {request.phase}")


def evolve(request: Request, event: Event) -> Request:
    """Return the request after an event."""
    match event:
        case "submit", (str(by), int(asked)):
            return Request(phase="submitted", author=by, amount=asked)
        case "approve", (str(by),):
            approvers = (*request.approvers, by)
            enough = len(approvers) > (request.amount > LIMIT.actual)
            phase = "approved" if enough else "submitted"
            return msgspec.structs.replace(request, phase=phase, approvers=approvers)
        case verb, _:
            phase = {"reject": "rejected", "withdraw": "withdrawn", "pay": "paid"}[verb]
            return msgspec.structs.replace(request, phase=phase)


class Approval:
    """A request as an object with a method for each verb, and a log of its events."""

    def __init__(self) -> None:
        self.request = Request()
        self.log: list[Event] = []

    def submit(self, by: str, amount: int) -> None:
        """Ask for an amount. Raises Refused, as all verbs do."""
        self._do("submit", by, amount)

    def approve(self, by: str) -> None:
        """Approve the request, as the first or the second to do so."""
        self._do("approve", by)

    def reject(self, by: str) -> None:
        """Refuse the request for good."""
        self._do("reject", by)

    def withdraw(self, by: str) -> None:
        """Take the request back."""
        self._do("withdraw", by)

    def pay(self) -> None:
        """Pay the approved amount."""
        self._do("pay")

    def observe(self) -> Configuration:
        """Return the state of the request in the terms of the declaration."""
        return configuration(self.request)

    def _do(self, verb: str, by: str = "", asked: int = 0) -> None:
        self._happened(decide(self.request, verb, by, asked))

    def _happened(self, event: Event) -> None:
        self.request = evolve(self.request, event)
        self.log.append(event)


def configuration(request: Request) -> Configuration:
    """Return where the declared machine is when the request is here."""
    first = request.approvers[0] if request.approvers else None
    return Configuration(request.phase, (request.author, first, request.amount))
