"""A node: the contents of its tables that other nodes lack, and the changes that wait to be written."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import msgspec

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.nft import policies, services
from sealane.dataplane.nft.dump import Dump
from sealane.dataplane.nft.flows import Endpoint, Target
from sealane.dataplane.nft.kernel import Kernel
from sealane.dataplane.nft.ledger import NOTHING, Facts, Ledger
from sealane.dataplane.nft.steps import Step
from sealane.kube.objects import Key
from sealane.network.addresses import NodePlan
from sealane.network.policies import Isolation, Policies, SelectedPeer
from sealane.network.services import Place


class Node:
    """Its ledger, what waits to be written, and which policies and peers its pods need.

    stale: it has to be written from nothing.
    """

    def __init__(self, place: Place, plan: NodePlan, thread: NamespaceThread, log_group: int | None) -> None:
        self.place = place
        self.thread = thread
        self.ledger = Ledger()
        self.flows: set[Target] = set()
        self._passed_on: set[str] = set()  # addresses that have another pod now
        self.stale = True
        self.policies: dict[Key, _Use] = {}
        self.peers: dict[SelectedPeer, int] = {}
        self._waiting: list[Step] = []
        self._work = asyncio.Event()
        self._work.set()
        self._writing = False
        self._next: list[asyncio.Future[None]] = []  # callers that wait for the waiting changes
        self._current: list[asyncio.Future[None]] = []  # and for those being written
        self.plan = plan
        self._addresses = frozenset(map(str, plan.addresses))
        self._pods: dict[Key, tuple[Key, ...]] = {}
        self._log_group = log_group
        self._kernel = Kernel()

    # The wanted contents

    def put_pod(self, pod: Key, isolation: Isolation | None, policy: Policies) -> None:
        before = self._pods.pop(pod, ())
        after: tuple[Key, ...] = ()
        facts = NOTHING
        if isolation is not None:
            after = tuple({*isolation.ingress, *isolation.egress})
            hairpin = services.node_facts(isolation.addresses)
            own = policies.pod_facts(isolation, self._log_group)
            facts = Facts({**hairpin.elements, **own.elements}, chains=own.chains)
            self._pods[pod] = after
        for key in after:
            if key in self.policies:
                self.policies[key].pods += 1
            else:
                self.policies[key] = _Use(1, frozenset())
                self.put_policy(key, policy)
        self.ledger.put(pod, facts)
        for key in before:
            use = self.policies[key]
            use.pods -= 1
            if not use.pods:
                del self.policies[key]
                self.ledger.put(key, NOTHING)
                self._need_peers(use.peers, frozenset(), policy)

    def put_policy(self, key: Key, policy: Policies) -> None:
        resolved = policy.resolved.get(key)
        peers = frozenset(policies.peers_of(resolved)) if resolved else frozenset[SelectedPeer]()
        use = self.policies[key]
        self._need_peers(use.peers, peers, policy)
        use.peers = peers
        facts = policies.policy_facts(resolved, self._log_group) if resolved else policies.nothing_allowed(key)
        self.ledger.put(key, facts)

    def _need_peers(self, before: frozenset[SelectedPeer], after: frozenset[SelectedPeer], policy: Policies) -> None:
        for peer in after - before:
            self.peers[peer] = self.peers.get(peer, 0) + 1
            if self.peers[peer] == 1:
                self.ledger.put(peer, policies.peer_facts(peer, policy.members.get(peer) or frozenset()))
        for peer in before - after:
            self.peers[peer] -= 1
            if not self.peers[peer]:
                del self.peers[peer]
                self.ledger.put(peer, NOTHING)

    # The waiting changes, and their callers

    def add(self, step: Step) -> None:
        if not self.stale:
            self._waiting.append(step)
        self._work.set()

    def forget(self, targets: Collection[Target]) -> None:
        """Flows to these may be stale, also where no rule changes: an endpoint that terminates is in none any more."""
        self.flows |= set(targets)
        self._work.set()

    def forget_ends(self, addresses: Collection[str]) -> None:
        """Flows of whoever had these addresses before are stale."""
        self._passed_on |= set(addresses)
        self._work.set()

    def rewrite(self) -> None:
        """Has it written from nothing."""
        self.stale = True
        self._work.set()

    async def wanted(self) -> None:
        """Waits for something to write. The changes taken before are written."""
        self._writing = False
        for future in self._current:
            if not future.done():
                future.set_result(None)
        self._current = []
        await self._work.wait()

    def take(self) -> tuple[bool, list[Step], set[Target]]:
        """The changes to write now: whether from nothing, and if not, which steps and whose flows."""
        self._work.clear()
        self._writing = True
        self._current, self._next = self._next, []
        whole, self.stale = self.stale, False
        steps, self._waiting = self._waiting, []
        flows, self.flows = self.flows, set()
        return whole, steps, flows

    async def written(self) -> None:
        """Returns when all that waits now is written, however much is added meanwhile."""
        if self._work.is_set() or self._writing:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            (self._next if self._work.is_set() else self._current).append(future)
            await future

    def failed(self) -> None:
        """The changes being written were not; callers that wait for them wait for the next time."""
        self._next += self._current
        self._current = []
        self.rewrite()

    # In the kernel

    async def apply(self, steps: list[Step], whole: bool, flows: Mapping[Target, frozenset[Endpoint]]) -> None:
        """Raises what `Kernel` raises. Flows go after the rules: a packet that comes at once must not be translated as
        before."""
        kernel = self._kernel
        if steps or whole:
            await self.thread.run(kernel.rewrite if whole else kernel.change, steps)
        if flows or whole:
            await self.thread.run(kernel.forget, flows, self._addresses, whole)
        if self._passed_on:
            addresses, self._passed_on = self._passed_on, set()
            await self.thread.run(kernel.forget_ends, addresses)

    async def dump(self) -> Dump:
        """The present contents of the kernel."""
        return await self.thread.run(self._kernel.dump)

    async def close(self) -> None:
        await self.thread.run(self._kernel.close)


class _Use(msgspec.Struct):
    """The use of a policy on a node: how many pods are under it, and the peers it needs there."""

    pods: int
    peers: frozenset[SelectedPeer]
