"""The scheduler: a node for each pod that has none, spread evenly: pods of one owner first, then all pods.

One write for each pod, many at a time. It decides by what nodes have left of what pods ask for, ports of nodes, node
selector, required affinities, taints, topology spread constraints and what runs where.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from sealane.controllers.actions import controller_of
from sealane.controllers.scheduling import resources
from sealane.controllers.scheduling.affinity import anti_affinity, has_affinity, peer_obstacles
from sealane.controllers.scheduling.placement import obstacle
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import POD
from sealane.kube.objects import Key, Object
from sealane.kube.selectors import LabelSelector
from sealane.reactive.collections import Change, Collection, Selected
from sealane.reactive.merge import difference
from sealane.reactive.recorder import Recorder

log = logging.getLogger(__name__)


class Load:
    """The load of each node: how many pods in all and of each owner, what they ask for, the node's ports they take."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.of_owner: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.asked: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.ports: defaultdict[str, dict[Key, frozenset[resources.Port]]] = defaultdict(dict)
        self._placed: dict[Key, tuple[str, str]] = {}
        self._wanted: dict[Key, resources.Amounts] = {}

    def node_of(self, key: Key) -> str:
        """The node on which a pod runs or is about to; "" when nowhere."""
        return self._placed.get(key, ("", ""))[0]

    def place(self, key: Key, node: str, owner: str, spec: Mapping[str, Any] = {}) -> None:
        if self._placed.get(key) == (node, owner):
            return
        self.remove(key)
        self._placed[key] = (node, owner)
        self.total[node] += 1
        self.of_owner[owner][node] += 1
        if wanted := resources.requests_of(spec):
            self._wanted[key] = wanted
            self.asked[node].update(wanted)
        if ports := resources.ports_of(spec):
            self.ports[node][key] = ports

    def taken(self, node: str) -> frozenset[resources.Port]:
        """The ports of a node that pods have taken."""
        return frozenset().union(*self.ports[node].values()) if self.ports.get(node) else frozenset()

    def remove(self, key: Key) -> None:
        placed = self._placed.pop(key, None)
        if placed is not None:
            node, owner = placed
            self.total[node] -= 1
            self.asked[node].subtract(self._wanted.pop(key, {}))
            self.ports[node].pop(key, None)
            counts = self.of_owner[owner]
            counts[node] -= 1
            if not counts[node]:
                del counts[node]
                if not counts:
                    del self.of_owner[owner]


def choose(
    pod: Object,
    nodes: Iterable[Object],
    load: Load,
    peers: Callable[[Sequence[Object]], Mapping[str, str]] = lambda nodes: {},
) -> tuple[str, str]:
    """(node, "") or ("", why there is none, in the words of kube-scheduler's FailedScheduling).

    peers: of the nodes that are left, those that other pods forbid, with the reason (`affinity.peer_obstacles`).
    """
    spec = pod.spec
    fit: list[Object] = []
    obstacles: Counter[str] = Counter()
    total = hopeless = 0
    wanted, ports = resources.requests_of(spec), resources.ports_of(spec)
    for node in nodes:
        total += 1
        reason = obstacle(spec, node)
        if reason:
            obstacles[reason] += 1
            hopeless += 1
            continue
        short = resources.shortage(wanted, load.asked[node.name], load.total[node.name], room(node))
        if ports and resources.collide(ports, load.taken(node.name)):
            short.insert(0, "node(s) didn't have free ports for the requested pod ports")
        obstacles.update(short)
        if not short:
            fit.append(node)
    barred = peers(fit)
    obstacles.update(barred.values())
    open_ = [node.name for node in fit if node.name not in barred]
    if not open_:
        return "", _explained(obstacles, total, hopeless) if total else "no nodes available to schedule pods"
    siblings: Mapping[str, int] = load.of_owner.get(owner_of(pod), {})
    return min(open_, key=lambda name: (siblings.get(name, 0), load.total[name], name)), ""


def _explained(obstacles: Counter[str], total: int, hopeless: int) -> str:
    """As kube-scheduler's FitError says it. hopeless: nodes where the end of other pods would not help."""
    why = ", ".join(sorted(f"{count} {reason}" for reason, count in obstacles.items()))
    words = (
        (hopeless, "Preemption is not helpful for scheduling"),
        (total - hopeless, "No preemption victims found for incoming pod"),
    )
    preemption = ", ".join(sorted(f"{count} {reason}" for count, reason in words if count))
    none = f"0/{total} nodes are available: "
    return f"{none}{why}. no new claims to deallocate, preemption: {none}{preemption}."


def room(node: Object) -> resources.Amounts:
    """The room of a node for pods."""
    return _allocatable(frozenset((node.status.get("allocatable") or {}).items()))


@lru_cache(maxsize=256)
def _allocatable(amounts: frozenset[tuple[str, str]]) -> resources.Amounts:
    return resources.amounts(dict(amounts))


def owner_of(pod: Object) -> str:
    """Pods of one owner are spread against each other: its controller's uid, or the pod itself."""
    reference = controller_of(pod)
    return str(reference["uid"]) if reference else pod.uid


def _offer(node: Object) -> tuple[object, ...]:
    """The parts of a node that decide about pods."""
    return node.spec, node.labels, node.status.get("allocatable")


SETTLE_SECONDS = 0.5
"""After its start and after a Node came: a pod that fits nowhere is tried again so long before anybody is told."""


class Scheduler:
    """Binds pending pods as they come, and those that fit nowhere again when nodes change.

    name: only pods whose schedulerName is this one (or unset).
    """

    def __init__(
        self,
        client: Client,
        pods: Collection[Key, Object],
        nodes: Collection[Key, Object],
        namespaces: Collection[Key, Object],
        recorder: Recorder,
        *,
        name: str = "default-scheduler",
        parallel: int = 64,
    ) -> None:
        self._client = client
        self._pods = pods
        self._nodes = nodes
        self._namespaces = namespaces
        self._recorder = recorder
        self._name = name
        self._slots = asyncio.Semaphore(parallel)
        self._load = Load()
        self._waiting: dict[Key, None] = {}
        self._stuck: dict[Key, None] = {}
        self._settled = 0.0
        self._keepers: set[Key] = set()  # pods with an anti-affinity of their own
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe = [pods.subscribe(self._pods_changed), nodes.subscribe(self._nodes_changed)]

    def start(self) -> None:
        self._settling()
        self._task = asyncio.create_task(self._run(), name="scheduler")

    async def stop(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _pods_changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        for key, _, pod in ((each.key, each.old, each.new) for each in changes):
            over = pod is None or pod.status.get("phase") in ("Succeeded", "Failed")
            if pod is None or over:
                self._release(key)
                self._waiting.pop(key, None)
                self._stuck.pop(key, None)
            elif pod.spec.get("nodeName"):
                self._place(pod, pod.spec["nodeName"])
                self._waiting.pop(key, None)
                self._stuck.pop(key, None)
            elif self._mine(pod) and key not in self._stuck:
                self._waiting[key] = None
                self._wake.set()

    def _nodes_changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        if any(each.old is None or each.new is None or _offer(each.old) != _offer(each.new) for each in changes):
            if any(each.old is None for each in changes):
                self._settling()
            self._waiting.update(self._stuck)
            self._stuck.clear()
            if self._waiting:
                self._wake.set()

    def _settling(self) -> None:
        with suppress(RuntimeError):  # no loop yet: `start` says it again
            self._settled = asyncio.get_running_loop().time() + SETTLE_SECONDS

    def _mine(self, pod: Object) -> bool:
        if pod.deleting or pod.spec.get("schedulingGates"):
            return False
        return (pod.spec.get("schedulerName") or "default-scheduler") == self._name

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            nodes = [node for node in self._nodes.values() if not node.deleting]
            bindings = []
            for key in waiting:
                pod = self._pods.get(key)
                if pod is None or pod.spec.get("nodeName") or not self._mine(pod):
                    continue
                node, reason = choose(pod, nodes, self._load, self._peer_obstacles(pod))
                if node:
                    self._place(pod, node)
                    bindings.append(self._bind(pod, node))
                elif (left := self._settled - asyncio.get_running_loop().time()) > 0:
                    self._stuck[key] = None
                    asyncio.get_running_loop().call_later(left, self._try_again, key)
                else:
                    self._stuck[key] = None
                    bindings.append(self._explain(pod, reason))
            await asyncio.gather(*bindings)

    def _place(self, pod: Object, node: str) -> None:
        self._load.place(pod.key, node, owner_of(pod), pod.spec)
        if anti_affinity(pod.spec):
            self._keepers.add(pod.key)
        self._reconsider()

    def _release(self, key: Key) -> None:
        freed = bool(self._load.node_of(key))
        self._load.remove(key)
        self._keepers.discard(key)
        self._reconsider(freed=freed)

    def _reconsider(self, *, freed: bool = False) -> None:
        """Other pods came or went: those that fitted nowhere because of others may fit now. freed: one went."""
        for stuck in list(self._stuck):
            pod = self._pods.get(stuck)
            if pod is not None and (freed or self._keepers or has_affinity(pod.spec)):
                del self._stuck[stuck]
                self._retry(stuck)

    def _peer_obstacles(self, pod: Object) -> Callable[[Sequence[Object]], Mapping[str, str]]:
        if not self._keepers and not has_affinity(pod.spec):
            return lambda fit: {}

        def placed(namespace: str | None, selector: LabelSelector) -> Iterator[tuple[Object, str]]:
            for peer in self._pods.select(Selected(namespace, selector)):
                if node := self._load.node_of(peer.key):
                    yield peer, node

        def namespaces(selector: LabelSelector) -> Iterator[str]:
            return (each.name for each in self._namespaces.select(Selected(None, selector)))

        keepers = [(peer, self._load.node_of(key)) for key in self._keepers if (peer := self._pods.get(key))]
        return lambda fit: peer_obstacles(pod, fit, self._nodes.values(), placed, namespaces, keepers)

    async def _bind(self, pod: Object, node: str) -> None:
        try:
            async with self._slots:
                moment = self._recorder.moment()
                await self._client.bind(pod, node)
        except (ApiError, OSError) as error:
            self._release(pod.key)
            if isinstance(error, ApiError) and error.code in (404, 409):
                return  # gone, or bound by another client
            log.warning("%s: cannot be bound to %s: %s", pod.key, node, error)
            asyncio.get_running_loop().call_later(0.5, self._retry, pod.key)
            return
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._recorder.record(pod, "Normal", "Scheduled", message, moment=moment)

    def _try_again(self, key: Key) -> None:
        if self._stuck.pop(key, self) is None:
            self._retry(key)

    def _retry(self, key: Key) -> None:
        self._waiting[key] = None
        self._wake.set()

    async def _explain(self, pod: Object, reason: str) -> None:
        """The Event, and the condition PodScheduled with reason Unschedulable."""
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": reason}
        others = [each for each in pod.status.get("conditions") or () if each["type"] != "PodScheduled"]
        conditions = [*others, condition]
        if difference(pod.status.get("conditions"), conditions) is None:
            return  # said already, and tried again because something else changed
        self._recorder.record(pod, "Warning", "FailedScheduling", reason)
        with suppress(ApiError, OSError):
            async with self._slots:
                patch = {"status": {"phase": "Pending", "conditions": conditions}}
                await self._client.patch(POD, pod.namespace, pod.name, patch, subresource="status")
