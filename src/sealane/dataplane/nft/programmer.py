"""The programmer: keeps the nftables of every node as the collections say.

Each settled batch of changes becomes one transaction for each node; while one runs, what follows is gathered into the
next. Facts that are the same everywhere are written once, as one text for all nodes. A node whose transaction fails is
written anew from nothing beside its old rules, which stand until the new ones do (`generations`); so is one where a
change is larger than the kernel takes in one transaction, as it may be without root.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.nft import dump, policies, services
from sealane.dataplane.nft.batch import TooLarge
from sealane.dataplane.nft.flows import Endpoint, Target, outdated, serving
from sealane.dataplane.nft.ledger import NOTHING, Facts, Ledger
from sealane.dataplane.nft.libnftables import NftError
from sealane.dataplane.nft.node import Node
from sealane.dataplane.nft.steps import Step
from sealane.kube.objects import Key
from sealane.network.addresses import NodePlan
from sealane.network.model import Network
from sealane.network.policies import Isolation, ResolvedPolicy, SelectedPeer
from sealane.network.services import Place, ServiceModel
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Change

log = logging.getLogger(__name__)

Nodes = Mapping[str, tuple[NodePlan, NamespaceThread]]


class NftProgrammer:
    """Give it the model of the network, `run()` it as a task, and await `synced()` where the kernel must have it all.

    on_error(node, error) is told of each failed transaction; it is logged and tried again in any case.
    log_group: nflog group for connections that policies deny.
    """

    def __init__(
        self,
        network: Network,
        nodes: Nodes,
        *,
        log_group: int | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._models = models = network.services
        self._policy = policy = network.policies
        self._given = network.given
        self._shared = Ledger()
        self._whole: Step | None = None  # all of `_shared`, as long as it holds
        self._nodes = {name: Node(Place(name), plan, thread, log_group) for name, (plan, thread) in nodes.items()}
        self._flows: dict[Target, frozenset[Endpoint]] = {}
        self._moved = asyncio.Event()  # `_flows` is not what it was
        self._held: dict[str, str] = {}  # address -> uid of the last pod that was given it
        self._arranged: dict[tuple[Key, str], services.Arrangement] = {}
        self._differing: set[Key] = set()
        self._on_error = on_error
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathering = False
        self._unsubscribe = [
            network.zones.subscribe(self._zones_changed),
            network.node_ports.subscribe(self._node_ports_changed),
            models.subscribe(self._services_changed),
            policy.isolation.subscribe(self._isolation_changed),
            policy.resolved.subscribe(self._policies_changed),
            policy.members.subscribe(self._members_changed),
        ]

    async def run(self) -> None:
        """Writes every node's tables, then each change, until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            for name, node in self._nodes.items():
                tasks.create_task(self._serve(name, node))

    def healthy(self, node: str) -> bool:
        """Are the node's rules written, as far as is known?"""
        return not self._nodes[node].stale

    async def admit(self, pod: Key, uid: str, addresses: tuple[str, ...]) -> None:
        """Returns when every kernel holds what policies mean for a pod that gets these addresses. Before, they get and
        send nothing."""
        passed_on = [address for address in addresses if self._held.setdefault(address, uid) != uid]
        self._held |= dict.fromkeys(addresses, uid)
        if passed_on:  # established flows pass whatever policies say, and these were another pod's
            for node in self._nodes.values():
                node.forget_ends(passed_on)
        self._given.set(pod, (uid, addresses))
        await self.synced()

    def dismiss(self, pod: Key, uid: str) -> None:
        """Takes note that the pod has no addresses any more."""
        if (self._given.get(pod) or ("",))[0] == uid:
            self._given.remove(pod)

    def flows_to(self, addresses: tuple[str, ...]) -> bool:
        """Does a Service keep flows of UDP to one of these addresses?"""
        return any(address in addresses for endpoints in self._flows.values() for address, _ in endpoints)

    async def left(self, addresses: tuple[str, ...]) -> None:
        """Returns when no kernel sends flows of UDP to these addresses any more."""
        while self.flows_to(addresses):
            self._moved.clear()
            await self._moved.wait()
        await self.synced()

    async def synced(self) -> None:
        """Returns when every change so far is in the kernel of every node. `run` must be under way."""
        self._gather()
        for node in self._nodes.values():
            await node.written()

    async def dump(self, node: str) -> dump.Dump:
        """The present contents of the node's kernel. Raises KeyError for a node that is not here."""
        return await self._nodes[node].dump()

    async def differences(self, node: str) -> list[str]:
        """The differences between the node's kernel and the ledger, one sentence each."""
        await self.synced()
        return dump.differences(await self.dump(node), self._shared, self._nodes[node].ledger)

    def resync(self, node: str) -> None:
        """Writes the node's tables anew, for instance after somebody has changed them by hand."""
        self._nodes[node].rewrite()

    async def close(self) -> None:
        """Ends the subscriptions and frees the contexts. The rules stay until the namespace goes."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for node in self._nodes.values():
            await node.close()

    # From changes to ledgers

    def _services_changed(self, changes: Sequence[Change[Key, ServiceModel]]) -> None:
        for change in changes:
            self._put_service(change.key, change.new)
        self._flows_changed(changes)
        self._gather_soon()

    def _put_service(self, key: Key, service: ServiceModel | None) -> None:
        differing = service is not None and service.differs_by_node
        if service is None or differing:
            self._shared.put(key, NOTHING)
            self._arranged.pop((key, ""), None)
        else:
            self._shared.put(key, self._facts(key, service, Place("")))
        if not differing and key not in self._differing:
            return
        (self._differing.add if differing else self._differing.discard)(key)
        for name, node in self._nodes.items():
            if service is None or not differing:
                node.ledger.put(key, NOTHING)
                self._shared.put((key, name), NOTHING)
                self._arranged.pop((key, name), None)
            else:
                facts = self._facts(key, service, node.place)
                node.ledger.put(key, Facts(facts.elements))
                # Chains are the same on every node, whichever of them needs it.
                self._shared.put((key, name), Facts(shared=facts.shared, chains=facts.chains, sets=facts.sets))

    def _zones_changed(self, changes: Sequence[Change[Key, str]]) -> None:
        for change in changes:
            node = self._nodes.get(change.key.name)
            if node is not None:
                node.place = Place(change.key.name, change.new or "")
        for key in list(self._differing):
            self._put_service(key, self._models.get(key))
        self._gather_soon()

    def _node_ports_changed(self, changes: Sequence[Change[Key, tuple[str, ...]]]) -> None:
        for change in changes:
            for node in self._nodes.values():
                node.ledger.put(change.key, services.closed_facts(node.plan, change.new or ()))
        self._gather_soon()

    def _flows_changed(self, changes: Sequence[Change[Key, ServiceModel]]) -> None:
        before: dict[Target, frozenset[Endpoint]] = {}
        after: dict[Target, frozenset[Endpoint]] = {}
        for change in changes:
            before |= serving(change.old)
            after |= serving(change.new)
        for target in before.keys() - after.keys():
            self._flows.pop(target, None)
        self._flows |= after
        self._moved.set()
        old = outdated(before, after)
        for node in self._nodes.values() if old else ():
            node.forget(old)

    def _facts(self, key: Key, service: ServiceModel, place: Place) -> Facts:
        before = self._arranged.get((key, place.node), {})
        facts, self._arranged[key, place.node] = services.service_facts(service, place, before)
        return facts

    def _isolation_changed(self, changes: Sequence[Change[Key, Isolation]]) -> None:
        for change in changes:
            for isolation in (change.old, change.new):
                node = self._nodes.get(isolation.node) if isolation else None
                if node is not None:
                    here = change.new if change.new and change.new.node == node.place.node else None
                    node.put_pod(change.key, here, self._policy)
        self._gather_soon()

    def _policies_changed(self, changes: Sequence[Change[Key, ResolvedPolicy]]) -> None:
        for change in changes:
            for node in self._nodes.values():
                if change.key in node.policies:
                    node.put_policy(change.key, self._policy)
        self._gather_soon()

    def _members_changed(self, changes: Sequence[Change[SelectedPeer, frozenset[str]]]) -> None:
        for change in changes:
            for node in self._nodes.values():
                if change.key in node.peers and change.new is not None:
                    node.ledger.put(change.key, policies.peer_facts(change.key, change.new))
        self._gather_soon()

    # From ledgers to the kernel

    def _gather_soon(self) -> None:
        """Gathers once the batch has reached every subscriber."""
        if self._loop is not None and not self._gathering:
            self._gathering = True
            self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        self._gathering = False
        if all(node.stale for node in self._nodes.values()):  # each is written from nothing: what is, is enough
            if self._shared.forget():
                self._whole = None
            for node in self._nodes.values():
                node.ledger.forget()
            return
        shared = self._shared.take()
        if shared:
            self._whole = None
        common = Step(shared)
        for node in self._nodes.values():
            own = node.ledger.take()
            if own:
                node.add(Step(shared, own))
            elif shared:
                node.add(common)

    def _everything(self, node: Node) -> list[Step]:
        if self._whole is None:
            self._whole = Step(self._shared.everything())
        return [self._whole, Step(node.ledger.everything())]

    async def _serve(self, name: str, node: Node) -> None:
        backoff, failures = Backoff(longest=5.0), 0
        while True:
            await node.wanted()
            self._gather()
            whole, steps, changed = node.take()
            if whole:
                steps, flows = self._everything(node), dict(self._flows)
            else:
                flows = {each: self._flows.get(each, frozenset()) for each in changed}
            try:
                await node.apply(steps, whole, flows)
                failures = 0
                if whole and not any(other.stale for other in self._nodes.values()):
                    self._whole = None
            except TooLarge:  # for one transaction, without root
                node.failed()
            except (NftError, OSError) as error:
                failures += 1
                log.warning("nftables of %s: %s; writing them anew", name, error)
                if self._on_error is not None:
                    self._on_error(name, error)
                node.failed()
                if whole:
                    await asyncio.sleep(backoff.delay(failures))
