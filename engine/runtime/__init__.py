"""The imperative shell: live sessions, and the engine that moves them."""

from engine.runtime.control import Control
from engine.runtime.engine import Engine
from engine.runtime.environment import Environment
from engine.runtime.subscriptions import Delivery

__all__ = ["Control", "Delivery", "Engine", "Environment"]
