"""All controllers of a cluster, started together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

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
    CONTROLLERREVISION,
    CRONJOB,
    DAEMONSET,
    DEPLOYMENT,
    ENDPOINTS,
    ENDPOINTSLICE,
    JOB,
    NAMESPACE,
    NODE,
    PERSISTENTVOLUME,
    PERSISTENTVOLUMECLAIM,
    POD,
    PODDISRUPTIONBUDGET,
    REPLICASET,
    REPLICATIONCONTROLLER,
    SERVICE,
    STATEFULSET,
    Kind,
)
from sealane.kube.objects import Key, Object
from sealane.network.services.derive_slices import derive_endpoints
from sealane.reactive.collections import Change, Source
from sealane.reactive.recorder import Recorder
from sealane.reactive.writer import Writer

KINDS: tuple[Kind, ...] = (
    NAMESPACE,
    NODE,
    POD,
    SERVICE,
    DEPLOYMENT,
    REPLICASET,
    REPLICATIONCONTROLLER,
    STATEFULSET,
    DAEMONSET,
    CONTROLLERREVISION,
    ENDPOINTSLICE,
    ENDPOINTS,
    JOB,
    CRONJOB,
    PODDISRUPTIONBUDGET,
    PERSISTENTVOLUMECLAIM,
    PERSISTENTVOLUME,
)
"""What `start` needs a source of."""


class Controllers:
    """The running controllers; `stop` ends them."""

    def __init__(
        self,
        reconcilers: Sequence[Reconciler],
        scheduler: Scheduler,
        writers: Sequence[Writer],
        recorders: Sequence[Recorder],
    ) -> None:
        self.reconcilers: list[Reconciler] = []
        self.scheduler = scheduler
        self.writers = tuple(writers)
        self.recorders = tuple(recorders)
        self.add(reconcilers)

    def add(self, reconcilers: Sequence[Reconciler]) -> None:
        """Starts more of them."""
        self.reconcilers.extend(reconcilers)
        for reconciler in reconcilers:
            reconciler.start()

    async def stop(self) -> None:
        """Lets the writes under way end; Events not written yet are given up."""
        await asyncio.gather(
            self.scheduler.stop(),
            *(each.stop() for each in self.reconcilers),
            *(each.stop() for each in self.writers),
        )
        for recorder in self.recorders:
            await recorder.stop()


def start(client: Client, sources: Mapping[Kind, Source[Key, Object]]) -> Controllers:
    """Starts workload controllers, scheduler, EndpointSlices and load balancers.

    sources: of all `KINDS`, filled by informers that are synced. Needs a running event loop.
    """
    pods = facts_of(sources[POD])
    recorders = {
        name: Recorder(client, name)
        for name in (
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
    }
    scheduler = Scheduler(client, sources[POD], sources[NODE], sources[NAMESPACE], recorders["default-scheduler"])
    model = derive_endpoints(sources[SERVICE], sources[POD], sources[NODE], sources[ENDPOINTSLICE], sources[ENDPOINTS])
    service_events.start(recorders["service-controller"], sources[SERVICE], model, sources[ENDPOINTS])
    writers = endpoint_writers(client, model, sources[ENDPOINTSLICE], sources[ENDPOINTS])
    reconcilers = [
        deployment_controller(client, sources, pods, recorders["deployment-controller"]),
        replicaset_controller(client, sources, pods, recorders["replicaset-controller"]),
        replicaset_controller(client, sources, pods, recorders["replication-controller"], kind=REPLICATIONCONTROLLER),
        statefulset_controller(client, sources, pods, recorders["statefulset-controller"]),
        daemonset_controller(client, sources, pods, recorders["daemonset-controller"]),
        loadbalancer_controller(client, sources, recorders["loadbalancer-controller"]),
    ]
    scheduler.start()
    for writer in writers:
        writer.start()
    controllers = Controllers(reconcilers, scheduler, writers, list(recorders.values()))

    def batch() -> list[Reconciler]:
        from sealane.controllers.batch.wiring import cronjob_controller, job_controller, stray_pod_controller

        return [
            job_controller(client, sources, pods, recorders["job-controller"]),
            stray_pod_controller(client, sources, pods, recorders["job-controller"]),
            cronjob_controller(client, sources, recorders["cronjob-controller"]),
        ]

    def budgets() -> list[Reconciler]:
        from sealane.controllers.disruption.budgets import budget_controller

        return [budget_controller(client, sources, pods, recorders["controllermanager"])]

    def volumes() -> list[Reconciler]:
        from sealane.controllers.volumes.binding import claim_controller, volume_controller

        recorder = recorders["persistentvolume-controller"]
        return [claim_controller(client, sources, recorder), volume_controller(client, sources, recorder)]

    if any(pod.tracked for pod in pods.values()):  # Jobs of before have left pods
        controllers.add(batch())
    else:
        _on_first([sources[JOB], sources[CRONJOB]], lambda: controllers.add(batch()))
    _on_first([sources[PODDISRUPTIONBUDGET]], lambda: controllers.add(budgets()))
    _on_first([sources[PERSISTENTVOLUMECLAIM], sources[PERSISTENTVOLUME]], lambda: controllers.add(volumes()))
    return controllers


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
