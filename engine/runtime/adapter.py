"""The runtime adapter: an engine's control for the machine that owns its sessions.

Invariants: an engine has one adapter at a time; once no caller holds it, no session is the
machine's any more.
"""

import weakref
from typing import Final

from perdure.machines import Token
from perdure.runtime.core import Core
from perdure.runtime.turn.agent import AgentLike
from perdure.runtime.verbs import attachments, interrupts, loops
from perdure.values import checked_id


class RuntimeAdapter:
    """One engine's control for the machine that owns its sessions; see `Engine.runtime_adapter`.

    It has the machine's token, with which any turn can be ended. Without the token no caller can
    interrupt the turns of a session that the adapter has taken. Hold the adapter for as long as its
    sessions are to stay taken.

    The control plane, which stops and destroys, belongs to the machine as well but needs no token:
    do not give it to code that is not to have the machine's control.
    """

    def __init__(self, core: Core) -> None:
        self._core: Final = core

    @property
    def authority(self) -> Token:
        """The token that the machine's verbs need."""
        return self._core.authority

    async def take(
        self, session_id: str, agent: AgentLike | None = None, *, keep_alive: bool = False
    ) -> None:
        """Give the session's control to the machine: from here on plain interrupts are refused.

        ``agent`` is attached, and ``keep_alive`` starts a loop. Raises SessionNotFound; with an
        agent also the errors of `Engine.attach`, with a loop those of `Engine.keep_alive`.
        """
        name = self._core.check_known(session_id)
        if agent is not None:
            await attachments.attach(self._core, name, agent)
        if keep_alive:
            await loops.keep_alive(self._core, name)  # its first turn begins after the next line
        self._core.machine_owned.add(name)

    async def give_back(self, session_id: str) -> None:
        """Let any caller control the session again, except for a turn that runs now."""
        name = checked_id(session_id, "session_id")
        self._core.machine_owned.discard(name)

    async def interrupt(
        self, session_id: str, *, run_id: str | None = None, reason: str | None = None
    ) -> None:
        """End the session's turn now, with the machine's authority; see `Engine.interrupt`."""
        await interrupts.interrupt(
            self._core, session_id, run_id=run_id, reason=reason, authority=self.authority
        )

    async def cancel_after_boundary(
        self, session_id: str, *, run_id: str | None = None, reason: str | None = None
    ) -> None:
        """End the session's turn after its next boundary, with the machine's authority."""
        await interrupts.cancel_after_boundary(
            self._core, session_id, run_id=run_id, reason=reason, authority=self.authority
        )


async def runtime_adapter(core: Core) -> RuntimeAdapter:
    """Return the engine's adapter, the same one to every caller, for as long as it is held."""
    core.check_open()
    adapter = None if core.adapter is None else core.adapter()
    if adapter is None:
        adapter = RuntimeAdapter(core)
        core.adapter = weakref.ref(adapter)
        weakref.finalize(adapter, core.machine_owned.clear)
    return adapter
