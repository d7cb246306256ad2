"""All controllers of a cluster, started together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from sealane.controllers.reconciler import Reconciler
from sealane.controllers.scheduling.scheduler import Scheduler
from sealane.controllers.services import service_events
from sealane.controllers.services.endpointslices import endpoint_writers
from sealane.controllers.workloads.pods import facts_of
from sealane.controllers.workloads.wiring import (
    daemonset_controller,
    deployment_controller,
    loadbalancer_controller,
    replicaset_controller,
    statefulset_controller,
)
from sealane.kube.client.protocol import Client
from sealane.kube.kinds import (
    CRONJOB,
    ENDPOINTS,
    ENDPOINTSLICE,
    JOB,
    NAMESPACE,
    NODE,
    PERSISTENTVOLUME,
    PERSISTENTVOLUMECLAIM,
    POD,
    PODDISRUPTIONBUDGET,
    REPLICATIONCONTROLLER,
    SERVICE,
)
from sealane.kube.objects import Key, Object
from sealane.network.model import Network
from sealane.reactive.collections import Change, Source
from sealane.reactive.recorder import Recorder

RECORDERS = (
    "deployment-controller",
    "replicaset-controller",
    "replication-controller",
    "statefulset-controller",
    "daemonset-controller",
    "loadbalancer-controller",
    "service-controller",
    "job-controller",
    "cronjob-controller",
    "controllermanager",
    "persistentvolume-controller",
    "default-scheduler",
)


class Controllers:
    """Workload controllers, scheduler, EndpointSlices and load balancers of one cluster.

    Controllers ask for the objects that they follow when they are made, and work from `start` on. Needs a running event
    loop.
    """

    def __init__(self, client: Client, network: Network) -> None:
        self._client = client
        self._objects = objects = network.objects
        self.recorders = recorders = {name: Recorder(client, name) for name in RECORDERS}
        self._pods = pods = facts_of(objects[POD])
        self.scheduler = Scheduler(
            client, objects[POD], objects[NODE], objects[NAMESPACE], recorders["default-scheduler"]
        )
        model = network.endpoints
        service_events.start(recorders["service-controller"], objects[SERVICE], model, objects[ENDPOINTS])
        self.writers = endpoint_writers(client, model, objects[ENDPOINTSLICE], objects[ENDPOINTS])
        replication = recorders["replication-controller"]
        self.reconcilers: list[Reconciler] = [
            deployment_controller(client, objects, pods, recorders["deployment-controller"]),
            replicaset_controller(client, objects, pods, recorders["replicaset-controller"]),
            replicaset_controller(client, objects, pods, replication, kind=REPLICATIONCONTROLLER),
            statefulset_controller(client, objects, pods, recorders["statefulset-controller"]),
            daemonset_controller(client, objects, pods, recorders["daemonset-controller"]),
            loadbalancer_controller(client, objects, recorders["loadbalancer-controller"]),
        ]
        self._seldom: list[tuple[list[Source[Key, Object]], Callable[[], list[Reconciler]]]] = [
            ([objects[JOB], objects[CRONJOB]], self._batch),
            ([objects[PODDISRUPTIONBUDGET]], self._budgets),
            ([objects[PERSISTENTVOLUMECLAIM], objects[PERSISTENTVOLUME]], self._volumes),
        ]

    def start(self) -> None:
        """The objects must be synced: what is not wanted now is deleted."""
        for reconciler in self.reconcilers:
            reconciler.start()
        self.scheduler.start()
        for writer in self.writers:
            writer.start()
        if any(pod.tracked for pod in self._pods.values()):  # Jobs of before have left pods
            self._seldom.pop(0)
            self._add(self._batch)
        for sources, make in self._seldom:
            _on_first(sources, partial(self._add, make))

    async def stop(self) -> None:
        """Lets the writes under way end; Events not written yet are given up."""
        await asyncio.gather(
            self.scheduler.stop(),
            *(each.stop() for each in self.reconcilers),
            *(each.stop() for each in self.writers),
        )
        for recorder in self.recorders.values():
            await recorder.stop()

    def _add(self, make: Callable[[], list[Reconciler]]) -> None:
        more = make()
        self.reconcilers.extend(more)
        for reconciler in more:
            reconciler.start()

    # Controllers for kinds that few clusters have are imported when their objects are there.

    def _batch(self) -> list[Reconciler]:
        from sealane.controllers.batch.wiring import cronjob_controller, job_controller, stray_pod_controller

        client, objects, recorder = self._client, self._objects, self.recorders["job-controller"]
        return [
            job_controller(client, objects, self._pods, recorder),
            stray_pod_controller(client, objects, self._pods, recorder),
            cronjob_controller(client, objects, self.recorders["cronjob-controller"]),
        ]

    def _budgets(self) -> list[Reconciler]:
        from sealane.controllers.disruption.budgets import budget_controller

        return [budget_controller(self._client, self._objects, self._pods, self.recorders["controllermanager"])]

    def _volumes(self) -> list[Reconciler]:
        from sealane.controllers.volumes.binding import claim_controller, volume_controller

        recorder = self.recorders["persistentvolume-controller"]
        return [
            claim_controller(self._client, self._objects, recorder),
            volume_controller(self._client, self._objects, recorder),
        ]


def _on_first(kinds: Sequence[Source[Key, Object]], begin: Callable[[], None]) -> None:
    """Calls `begin` soon after there is an object of these kinds: what few clusters have shall not cost each start."""
    begun = False

    def receive(changes: Sequence[Change[Key, Object]]) -> None:
        nonlocal begun
        if not begun and any(change.new is not None for change in changes):
            begun = True
            asyncio.get_running_loop().call_soon(begin)

    for source in kinds:
        source.subscribe(receive)
