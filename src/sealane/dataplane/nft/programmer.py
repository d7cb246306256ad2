"""The programmer: keeps the nftables of every node as the collections say.

Each settled batch of changes becomes one transaction for each node; while one runs, what follows is gathered into the
next. Facts that are the same everywhere are written once, as one text for all nodes. A node whose transaction fails is
written anew from nothing, in one transaction, so the old rules stand until the new ones do (without root the kernel
limits a transaction to some 200 KB; what is larger goes in several).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.nft import dump, policies, services
from sealane.dataplane.nft.elements import ElementSocket
from sealane.dataplane.nft.flows import Endpoint, FlowSocket, Target, outdated, serving
from sealane.dataplane.nft.ledger import NOTHING, Facts, Ledger, transaction
from sealane.dataplane.nft.libnftables import Nftables, NftError
from sealane.dataplane.nft.steps import Step
from sealane.kube.objects import Key, Object
from sealane.network.addresses import NodePlan
from sealane.network.hints import node_share
from sealane.network.policies import Isolation, PodPeer, Policies, ResolvedPolicy, derive_policies
from sealane.network.services import Place, ServiceModel, derive_services
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Change, Collection, derive

log = logging.getLogger(__name__)

Nodes = Mapping[str, tuple[NodePlan, NamespaceThread]]


class NftProgrammer:
    """Give it the models, `run()` it as a task, and await `synced()` where the kernel must have caught up.

    on_error(node, error) is told of each failed transaction; it is logged and tried again in any case.
    log_group: nflog group for connections that policies deny.
    """

    def __init__(
        self,
        models: Collection[Key, ServiceModel],
        policy: Policies,
        nodes: Nodes,
        *,
        zones: Collection[Key, str] | None = None,
        log_group: int | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._policy = policy
        self.models = models
        self._shared = Ledger()
        self._whole: str | None = None  # all of `_shared` as text, as long as it holds
        self._nodes = {name: _Node(Place(name), plan, thread, log_group) for name, (plan, thread) in nodes.items()}
        self._flows: dict[Target, frozenset[Endpoint]] = {}
        self._arranged: dict[tuple[Key, str], services.Arrangement] = {}
        self._differing: set[Key] = set()
        self._on_error = on_error
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathering = False
        self._unsubscribe = [
            *([zones.subscribe(self._zones_changed)] if zones is not None else []),
            models.subscribe(self._services_changed),
            policy.isolation.subscribe(self._isolation_changed),
            policy.resolved.subscribe(self._policies_changed),
            policy.members.subscribe(self._members_changed),
        ]

    @classmethod
    def of_objects(
        cls,
        services: Collection[Key, Object],
        slices: Collection[Key, Object],
        pods: Collection[Key, Object],
        namespaces: Collection[Key, Object],
        policies: Collection[Key, Object],
        nodes: Nodes,
        *,
        node_objects: Collection[Key, Object] | None = None,
        log_group: int | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> NftProgrammer:
        """From collections of API objects; all of one graph. node_objects: whose labels say the zones."""
        models = derive_services(services, slices)
        policy = derive_policies(policies, pods, namespaces)
        zones = None
        if node_objects is not None:
            zones = derive("node zones", node_objects, lambda _key, node, _fetch: node_share(node).zone)
        return cls(models, policy, nodes, zones=zones, log_group=log_group, on_error=on_error)

    async def run(self) -> None:
        """Writes every node's tables, then each change, until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            for name, node in self._nodes.items():
                tasks.create_task(self._serve(name, node))

    def healthy(self, node: str) -> bool:
        """Are the node's rules written, as far as is known?"""
        return not self._nodes[node].stale

    async def synced(self) -> None:
        """Returns when every change so far is in the kernel of every node. `run` must be under way."""
        self._gather()
        for node in self._nodes.values():
            await node.idle.wait()

    async def dump(self, node: str) -> dump.Dump:
        """What the node's kernel holds now. Raises KeyError for a node that is not here."""
        found = self._nodes[node]
        return await found.thread.run(lambda: dump.read(found.context()))

    async def differences(self, node: str) -> list[str]:
        """Where the node's kernel is not as it should be, one sentence each."""
        await self.synced()
        return dump.differences(await self.dump(node), self._shared, self._nodes[node].ledger)

    def resync(self, node: str) -> None:
        """Writes the node's tables anew, for instance after somebody has changed them by hand."""
        self._nodes[node].stale = True
        self._nodes[node].arouse()

    async def close(self) -> None:
        """Ends the subscriptions and frees the contexts. The rules stay until the namespace goes."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for node in self._nodes.values():
            await node.thread.run(node.close)

    # From changes to ledgers

    def _services_changed(self, changes: Sequence[Change[Key, ServiceModel]]) -> None:
        for change in changes:
            self._put_service(change.key, change.new)
        self._flows_changed(changes)
        self._arouse()

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
            self._put_service(key, self.models.get(key))
        self._arouse()

    def _flows_changed(self, changes: Sequence[Change[Key, ServiceModel]]) -> None:
        before: dict[Target, frozenset[Endpoint]] = {}
        after: dict[Target, frozenset[Endpoint]] = {}
        for change in changes:
            before |= serving(change.old)
            after |= serving(change.new)
        for target in before.keys() - after.keys():
            self._flows.pop(target, None)
        self._flows |= after
        old = outdated(before, after)
        for node in self._nodes.values() if old else ():
            node.flows |= old

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
        self._arouse()

    def _policies_changed(self, changes: Sequence[Change[Key, ResolvedPolicy]]) -> None:
        for change in changes:
            for node in self._nodes.values():
                if change.key in node.policies:
                    node.put_policy(change.key, self._policy)
        self._arouse()

    def _members_changed(self, changes: Sequence[Change[PodPeer, frozenset[str]]]) -> None:
        for change in changes:
            for node in self._nodes.values():
                if change.key in node.peers and change.new is not None:
                    node.ledger.put(change.key, policies.peer_facts(change.key, change.new))
        self._arouse()

    # From ledgers to the kernel

    def _arouse(self) -> None:
        """Gathers once the batch has reached every subscriber."""
        if self._loop is not None and not self._gathering:
            self._gathering = True
            self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        self._gathering = False
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

    def _everything(self, node: _Node) -> str:
        self._gather()
        node.waiting = []
        if self._whole is None:
            self._whole = transaction(self._shared.everything())
        return services.skeleton() + policies.skeleton() + self._whole + transaction(node.ledger.everything())

    async def _serve(self, name: str, node: _Node) -> None:
        backoff, failures = Backoff(longest=5.0), 0
        while True:
            await node.wake.wait()
            node.wake.clear()
            whole, node.stale = node.stale, False
            work = self._everything(node) if whole else node.waiting
            flows = dict(self._flows) if whole else {each: self._flows.get(each, frozenset()) for each in node.flows}
            node.waiting, node.flows = [], set()
            try:
                await node.thread.run(node.apply, work)
                if flows or whole:  # after the rules: a packet that comes at once must not be translated as before
                    await node.thread.run(node.forget, flows, whole)
                failures = 0
            except (NftError, OSError) as error:
                failures += 1
                log.warning("nftables of %s: %s; writing them anew", name, error)
                if self._on_error is not None:
                    self._on_error(name, error)
                node.stale = True
                node.wake.set()
                if whole:
                    await asyncio.sleep(backoff.delay(failures))
            if not node.waiting and not node.stale:
                node.idle.set()


class _Node:
    """A node's ledger, what waits to be written, and which policies and peers its pods need."""

    def __init__(self, place: Place, plan: NodePlan, thread: NamespaceThread, log_group: int | None) -> None:
        self.place = place
        self.addresses = frozenset(map(str, plan.addresses))
        self.thread = thread
        self.ledger = Ledger()
        self.waiting: list[Step] = []
        self.flows: set[Target] = set()
        self.stale = True  # written from nothing the first time
        self.wake = asyncio.Event()
        self.wake.set()
        self.idle = asyncio.Event()
        self.policies: dict[Key, _Use] = {}
        self.peers: dict[PodPeer, int] = {}
        self._pods: dict[Key, tuple[Key, ...]] = {}
        self._log_group = log_group
        self._context: Nftables | None = None
        self._elements: ElementSocket | None = None
        self._flows: FlowSocket | None = None

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
        peers = frozenset(policies.peers_of(resolved)) if resolved else frozenset[PodPeer]()
        use = self.policies[key]
        self._need_peers(use.peers, peers, policy)
        use.peers = peers
        self.ledger.put(key, policies.policy_facts(resolved) if resolved else policies.nothing_allowed(key))

    def _need_peers(self, before: frozenset[PodPeer], after: frozenset[PodPeer], policy: Policies) -> None:
        for peer in after - before:
            self.peers[peer] = self.peers.get(peer, 0) + 1
            if self.peers[peer] == 1:
                self.ledger.put(peer, policies.peer_facts(peer, policy.members.get(peer) or frozenset()))
        for peer in before - after:
            self.peers[peer] -= 1
            if not self.peers[peer]:
                del self.peers[peer]
                self.ledger.put(peer, NOTHING)

    def add(self, step: Step) -> None:
        if not self.stale:
            self.waiting.append(step)
        self.arouse()

    def arouse(self) -> None:
        self.idle.clear()
        self.wake.set()

    # In the node's thread

    def context(self) -> Nftables:
        if self._context is None:
            self._context = Nftables()
        return self._context

    def apply(self, work: str | list[Step]) -> None:
        """Commands, or steps that become one transaction."""
        if isinstance(work, str):
            self.context().run_in_parts(work)
            return
        messages: list[bytes] = []
        for step in work:
            if step.messages is None:
                self.context().run_in_parts("".join(step.text for step in work))
                return
            messages += step.messages
        if messages:
            if self._elements is None:
                self._elements = ElementSocket()
            self._elements.apply(messages)

    def forget(self, flows: Mapping[Target, frozenset[Endpoint]], complete: bool) -> None:
        """UDP flows that go where no endpoint serves any more. complete: `flows` holds all targets there are."""
        if self._flows is None:
            self._flows = FlowSocket()
        self._flows.forget(flows, self.addresses, complete=complete)

    def close(self) -> None:
        if self._flows is not None:
            self._flows.close()
            self._flows = None
        if self._context is not None:
            self._context.close()
            self._context = None
        if self._elements is not None:
            self._elements.close()
            self._elements = None


@dataclass(slots=True)
class _Use:
    """How many pods of a node are under a policy, and the peers it needs there."""

    pods: int
    peers: frozenset[PodPeer]
