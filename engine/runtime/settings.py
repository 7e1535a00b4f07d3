"""Settings of an engine, besides its store and its environment.

Invariants: settings are given once, when the engine is opened, and never change while it is open.
"""

from typing import Final

import msgspec

from perdure.aggregates import CallShape
from perdure.errors import InvalidArgument
from perdure.machines.builtin.session import INPUT_CAPACITY
from perdure.runtime.arguments import (
    checked_call_shapes,
    checked_count,
    checked_limit,
    checked_seconds,
)
from perdure.runtime.session.checkpointers import CheckpointPolicy
from perdure.runtime.turn.agent import Builder
from perdure.store.leases import LONGEST_LEASE_SECONDS

LEASE_SECONDS: Final = 15.0
GRACE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
MAX_INPUTS: Final = INPUT_CAPACITY.actual
CONTENTION_SECONDS: Final = 10.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine runs turns; see `Engine.open`.

    - ``agents`` makes an agent for a session to which none is attached.
    - ``max_active`` is the number of turns that may run at once, None for no limit.
    - ``max_inputs`` is the number of inputs that a session may have in hand.
    - ``lease_seconds``: other engines may close this engine's runs once its lease was not renewed
      for so long, if they cannot know whether its process lives.
    - ``grace_seconds`` is how long an agent has to stop.
    - ``retry_seconds`` is how long after a failed turn a loop tries again.
    - ``contention_seconds`` is how long a verb is decided again while others write to its session.
    - ``checkpoints`` says when sessions are checkpointed by themselves, None for never.
    - ``call_shapes`` are shapes of tool calls besides those that perdure knows.
    """

    agents: Builder | None = None
    max_active: int | None = None
    max_inputs: int = MAX_INPUTS
    lease_seconds: float = LEASE_SECONDS
    grace_seconds: float = GRACE_SECONDS
    retry_seconds: float = RETRY_SECONDS
    contention_seconds: float = CONTENTION_SECONDS
    checkpoints: CheckpointPolicy | None = None
    call_shapes: tuple[CallShape, ...] = ()

    def __post_init__(self) -> None:
        """Raise InvalidArgument for a value without meaning."""
        if self.agents is not None and not callable(self.agents):
            raise InvalidArgument(
                f"agents must be callable with a session, not {self.agents!r}", parameter="agents"
            )
        if self.checkpoints is not None and not isinstance(self.checkpoints, CheckpointPolicy):
            raise InvalidArgument(
                f"checkpoints must be a CheckpointPolicy, not {self.checkpoints!r}",
                parameter="checkpoints",
            )
        checked_call_shapes(self.call_shapes)
        checked_limit(self.max_active, "max_active")
        checked_count(self.max_inputs, "max_inputs", least=1)
        if self.max_inputs > INPUT_CAPACITY.actual:
            raise InvalidArgument(
                f"max_inputs must be at most {INPUT_CAPACITY.actual}, not {self.max_inputs}",
                parameter="max_inputs",
            )
        checked_seconds(self.lease_seconds, "lease_seconds")
        if self.lease_seconds > LONGEST_LEASE_SECONDS:
            raise InvalidArgument(
                f"lease_seconds must be at most {LONGEST_LEASE_SECONDS:.0f}, "
                f"not {self.lease_seconds!r}",
                parameter="lease_seconds",
            )
        checked_seconds(self.grace_seconds, "grace_seconds", may_be_zero=True)
        checked_seconds(self.retry_seconds, "retry_seconds", may_be_zero=True)
        checked_seconds(self.contention_seconds, "contention_seconds", may_be_zero=True)
