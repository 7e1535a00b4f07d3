"""The same engine, blocking: every verb of `engine.Engine`, for programs without an event loop."""

from engine.sync.engine import Engine
from engine.sync.parts import Control, Reservation, RuntimeAdapter
from engine.sync.subscribing import Subscription

__all__ = ["Control", "Engine", "Reservation", "RuntimeAdapter", "Subscription"]
