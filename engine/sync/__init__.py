"""The same engine, blocking: every verb of `perdure.Engine`, for programs without an event loop."""

from perdure.sync.engine import Engine
from perdure.sync.parts import Control, Reservation, RuntimeAdapter
from perdure.sync.subscribing import Subscription

__all__ = ["Control", "Engine", "Reservation", "RuntimeAdapter", "Subscription"]
