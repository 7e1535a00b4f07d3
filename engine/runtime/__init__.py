"""The imperative shell: live sessions, and the engine that moves them."""

from perdure.runtime.control import Control
from perdure.runtime.engine import Engine
from perdure.runtime.environment import Environment
from perdure.runtime.watch.subscriptions import Delivery

__all__ = ["Control", "Delivery", "Engine", "Environment"]
