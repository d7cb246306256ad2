"""The sockets of one stand-in: opened in its pod's network, handed to the server process of their role, taken back."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sealane.dataplane.linux.handoff import Giver
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.linux.topology import SocketPlan, open_sockets
from sealane.dataplane.pods.images import Port
from sealane.dataplane.pods.standins.behaviours import Facts, Socket

log = logging.getLogger(__name__)

DRAIN_SECONDS = 2.0
"""How long a stand-in of a pod that is being deleted goes on: until no table names its address any more."""


class Serving:
    """id: under which the first sockets are handed over. thread: of the node. net: path of the pod's namespace.

    taken: container → ports of the stand-ins of the pod, shared by them.
    """

    def __init__(
        self,
        id_: str,
        name: str,
        giver: Giver,
        thread: NamespaceThread,
        net: Path,
        taken: dict[str, set[tuple[str, int]]],
    ) -> None:
        self._id = id_
        self._name = name
        self._giver = giver
        self._thread = thread
        self._net = net
        self._taken = taken
        self._given: dict[tuple[str, str], Mapping[str, Any]] = {}  # role and id → facts
        self._facts: Facts | None = None

    async def start(self, ports: Sequence[Port], role: str, facts: Facts) -> None:
        """role: told of the container even when it has no ports. Raises OSError for a declared port that is not had."""
        self._facts = facts
        self._taken[self._name] = set()
        others = self._of_others()
        for port in ports:
            if (port.protocol, port.port) in others and not port.causes:
                raise OSError(98, f"port {port.port}/{port.protocol} is taken by another container of the pod")
        await self._open([port for port in ports if (port.protocol, port.port) not in others], role, self._id)

    async def add(self, ports: Sequence[Port]) -> list[Port]:
        """Listens, while it serves, on those of `ports` that the pod's stand-ins do not yet have: what is new."""
        known = self._of_others() | self._taken.get(self._name, set())
        wanted = [port for port in ports if port.causes and (port.protocol, port.port) not in known]
        if self._facts is None or not wanted:
            return []
        return await self._open(wanted, "", f"{self._id}+{len(self._given)}")

    def _of_others(self) -> set[tuple[str, int]]:
        return {each for name, ports in self._taken.items() if name != self._name for each in ports}

    async def _open(self, ports: Sequence[Port], role: str, id_: str) -> list[Port]:
        assert self._facts is not None
        families = (4, 6) if len(self._facts.ips) > 1 else (4,)
        firm = [port for port in ports if not port.causes]
        groups = [*([firm] if firm else []), *([port] for port in ports if port.causes)]
        listening: list[Port] = []
        opened: list[tuple[Port, int, socket.socket]] = []
        for group in groups:
            plans = [(port, family) for port in group for family in families]
            wanted = [
                SocketPlan(port.protocol, family, port.port, self._own(family) if port.own else "")
                for port, family in plans
            ]
            try:
                made = await self._thread.run(open_sockets, wanted, self._net)
            except OSError as error:
                if group is firm:
                    raise
                log.info("%s: %s", self._id, error)  # a program of the pod, or of the node, has it
                continue
            listening += group
            opened += [(port, family, one) for (port, family), one in zip(plans, made, strict=True)]
        self._taken[self._name].update((port.protocol, port.port) for port in listening)
        by_role: dict[str, list[int]] = {role: []} if role else {}
        for index, (port, _, _) in enumerate(opened):
            by_role.setdefault(port.role, []).append(index)
        for one, indexes in by_role.items():
            sockets = [_described(*opened[index][:2]) for index in indexes]
            given = msgspec.to_builtins(msgspec.structs.replace(self._facts, sockets=sockets))
            self._given[one, id_] = given
            self._giver.add(one, id_, [opened[index][2] for index in indexes], given)
        return listening

    def _own(self, family: int) -> str:
        assert self._facts is not None
        return next((address for address in self._facts.ips if (":" in address) == (family == 6)), "")

    def drain(self) -> None:
        """Answers say from now on that their connection ends."""
        for (role, id_), facts in self._given.items():
            self._giver.change(role, id_, {**facts, "draining": True})

    async def linger(self, grace: float) -> None:
        """Goes on for a moment while its pod is being deleted (see DRAIN_SECONDS)."""
        if self._given:
            wanted = max(self._giver.linger(role, id_) for role, id_ in self._given)
            await asyncio.sleep(min(grace, max(DRAIN_SECONDS, wanted)))

    def stop(self) -> None:
        self._facts = None
        for role, id_ in self._given:
            self._giver.remove(role, id_)
        self._given = {}


def _described(port: Port, family: int) -> Socket:
    return Socket(port.protocol, family, port.port, port.name, port.behaviour, dict(port.options))
