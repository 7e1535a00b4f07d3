"""The imperative shell: live sessions, and the engine that moves them."""

from engine.runtime.engine import Engine
from engine.runtime.environment import Environment
from engine.runtime.subscriptions import Delivery

__all__ = ["Delivery", "Engine", "Environment"]
