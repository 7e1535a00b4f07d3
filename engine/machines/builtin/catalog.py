"""perdure's own machines, by the names under which they are checked and printed.

Four by themselves, and two compositions: several sessions, and a session with all it works with.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from perdure.machines.builtin.admission import ADMISSION
from perdure.machines.builtin.checkpointer_gate import GATE
from perdure.machines.builtin.input import INPUT
from perdure.machines.builtin.live_session import live, sessions
from perdure.machines.builtin.session import SESSION
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Model


class _BuiltIn(Mapping[str, Machine | Model]):
    """The machines; a composition is put together when it is first asked for.

    A program that embeds the engine needs none, and does not wait for them on import.
    """

    def __init__(
        self, machines: Mapping[str, Machine], compositions: Mapping[str, Callable[[], Model]]
    ) -> None:
        self._machines: Final = machines
        self._compositions: Final = {
            name: functools.cache(composed) for name, composed in compositions.items()
        }

    def __getitem__(self, name: str) -> Machine | Model:
        """Return the machine or composition of this name. Raises KeyError."""
        if name in self._machines:
            return self._machines[name]
        return self._compositions[name]()

    def __iter__(self) -> Iterator[str]:
        """Yield the names, the machines' first."""
        yield from self._machines
        yield from self._compositions

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._machines) + len(self._compositions)


BUILT_IN: Final[Mapping[str, Machine | Model]] = _BuiltIn(
    {"session": SESSION, "input": INPUT, "admission": ADMISSION, "gate": GATE},
    {"sessions": sessions, "live": live},
)
