"""The imperative shell: the engine, with everything that lives only while it is open."""

from perdure.runtime.control import Control
from perdure.runtime.engine import Engine
from perdure.runtime.environment import Environment
from perdure.runtime.watch.subscriptions import Delivery

__all__ = ["Control", "Delivery", "Engine", "Environment"]
