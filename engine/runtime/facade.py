"""How a verb, which is a function of the core, becomes a method of a class that has one.

Invariants: a method has the parameters, the annotations and the docstring of its verb, and costs
one Python frame.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from perdure.runtime.core import Core

_P = ParamSpec("_P")
_T = TypeVar("_T")

_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)


class HasCore(Protocol):
    """An object through which the verbs of a core are called."""

    @property
    def _core(self) -> Core: ...


def verb(
    function: Callable[Concatenate[Core, _P], Coroutine[Any, Any, _T]], name: str | None = None
) -> Callable[Concatenate[HasCore, _P], Coroutine[Any, Any, _T]]:
    """Return the verb as a method, under its own name unless another is given."""

    @functools.wraps(function)
    async def method(self: HasCore, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await function(self._core, *args, **kwargs)

    shown = inspect.signature(function)
    _, *parameters = shown.parameters.values()
    method.__signature__ = shown.replace(parameters=[_SELF, *parameters])  # type: ignore[attr-defined]
    method.__annotations__ = {
        given: kind for given, kind in function.__annotations__.items() if given != "core"
    }
    method.__name__ = name or function.__name__
    return method
