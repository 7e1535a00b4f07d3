"""The machine: a declaration that is well formed.

Invariants: a `Machine` that exists is well formed. Every phase is reachable and leads on to a
final one; no verb has two outcomes; every name a row reads or writes is declared, every value it
compares or writes is of the right kind, and every variable a guard reads is written by some row.
A malformed declaration cannot be built, and the error names the row.
"""

from perdure.machines.language.declaration import Declaration
from perdure.machines.language.validation import validate


class Machine(Declaration, frozen=True, kw_only=True):
    """A declared lifecycle.

    ``rows`` takes `Row` values or the groups that `row` returns. Verbs without arguments need no
    declaration. ``fair`` names the verbs that happen in the end once they stay possible; a
    `LeadsTo` property relies on them. Raises InvalidMachine, naming the row, when the declaration
    is malformed.
    """

    def __post_init__(self) -> None:
        """Complete the declaration, and refuse it where it is malformed."""
        super().__post_init__()
        validate(self)
