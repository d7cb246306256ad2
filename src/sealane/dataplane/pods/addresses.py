"""The addresses taken in a node's pod ranges. Each family counts on from the last one given, as host-local IPAM
does, so an address rests before it is used again."""

from __future__ import annotations

from sealane.network.addresses import NodePlan


class Exhausted(Exception):
    """Every pod address of the node is in use."""


class PodAddresses:
    """Offsets in the node's pod ranges: the same offset in both families belongs to one pod."""

    FIRST, LAST = 2, 254

    def __init__(self, node: NodePlan) -> None:
        self._node = node
        self._next = self.FIRST
        self._taken: dict[int, str] = {}
        self._of: dict[str, int] = {}

    def take(self, uid: str, wanted: str = "") -> tuple[str, ...]:
        """The pod's (IPv4, IPv6); `wanted` (an IPv4 address) when it is in range and free. Raises Exhausted."""
        known = self._of.get(uid)
        if known is None:
            known = self._of[uid] = self._choose(wanted)
            self._taken[known] = uid
        v4, v6 = self._node.pod_cidrs
        return str(v4[known]), str(v6[known])

    def _choose(self, wanted: str) -> int:
        first = int(self._node.pod_cidrs[0].network_address)
        if wanted and ":" not in wanted:
            octets = [int(part) for part in wanted.split(".")]
            offset = int.from_bytes(bytes(octets), "big") - first
            if self.FIRST <= offset <= self.LAST and offset not in self._taken:
                return offset
        size = self.LAST - self.FIRST + 1
        for step in range(size):
            offset = self.FIRST + (self._next - self.FIRST + step) % size
            if offset not in self._taken:
                self._next = offset + 1
                return offset
        raise Exhausted(f"node {self._node.name} has no free pod address in {self._node.pod_cidrs[0]}")

    def release(self, uid: str) -> None:
        offset = self._of.pop(uid, None)
        if offset is not None:
            del self._taken[offset]
