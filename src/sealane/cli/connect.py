"""Finding a cluster and speaking with its API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sealane.cli.say import NO_CLUSTER, NOT, SILENT, Exit
from sealane.cluster import lifecycle, state
from sealane.cluster.state import Folder, Process, Record
from sealane.cluster.supervisor import HANG_SECONDS, SILENT_SECONDS
from sealane.kube import kinds
from sealane.kube.client.protocol import Client
from sealane.kube.objects import Object
from sealane.kube.selectors import LabelSelector

if TYPE_CHECKING:
    from sealane.kube.client.http import HttpClient


def running(name: str) -> tuple[Folder, Record]:
    """The folder and record of a cluster that runs. Raises Exit with what to do otherwise."""
    folder = state.folder(name)
    record = folder.read()
    if record is None or not record.running:
        others = [each.name for each in state.clusters() if (found := each.read()) is not None and found.running]
        hint = f"running: {', '.join(others)} (choose with --name)" if others else "start it with: sealane up"
        if record is None and lifecycle.listening(folder) is not None:
            raise Exit(NOT, f"{folder.record_path} is damaged; `sealane up --name {name}` writes it anew")
        what = "was killed or has ended" if record is not None else "does not run"
        raise Exit(NO_CLUSTER, f"cluster {name!r} {what}; {hint}")
    return folder, record


PATIENCE = 10.0
"""Seconds for the API to answer what is small."""


@asynccontextmanager
async def answering(folder: Folder) -> AsyncIterator[HttpClient]:
    """A client of a running cluster's API. Raises Exit when nothing comes of what is asked within PATIENCE."""
    from sealane.kube.client.http import HttpClient

    try:
        async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client, asyncio.timeout(PATIENCE):
            yield client
    except TimeoutError:
        raise Exit(SILENT, silent(folder)) from None


def require(folder: Folder, role: str) -> None:
    """Raises Exit when the process `role`, by which something is to be done, hangs."""
    record = folder.read()
    if record is not None and (said := hanging(folder, [each for each in record.processes if each.role == role])):
        raise Exit(SILENT, said)


def hanging(folder: Folder, processes: Iterable[Process]) -> str:
    """Says which of `processes` give no sign of life; "" when all do."""
    roles = [process.role for process in processes if process.silent and process.alive]
    logs = ", ".join(str(folder.logs / f"{role}.log") for role in roles)
    return (
        f"cluster {folder.name!r} has heard nothing of {', '.join(roles)} for {SILENT_SECONDS:g} s; "
        f"a process that hangs is started again after {HANG_SECONDS:g} s; see {logs}"
        if roles
        else ""
    )


def silent(folder: Folder) -> str:
    return (
        f"the API of cluster {folder.name!r} has not answered for {PATIENCE:g} s; a control plane that hangs "
        f"is started again after {HANG_SECONDS:g} s; see {folder.logs / 'control-plane.log'}"
    )


WORKLOADS = {
    "deploy": kinds.DEPLOYMENT,
    "deployment": kinds.DEPLOYMENT,
    "deployments": kinds.DEPLOYMENT,
    "rs": kinds.REPLICASET,
    "replicaset": kinds.REPLICASET,
    "sts": kinds.STATEFULSET,
    "statefulset": kinds.STATEFULSET,
    "ds": kinds.DAEMONSET,
    "daemonset": kinds.DAEMONSET,
    "svc": kinds.SERVICE,
    "service": kinds.SERVICE,
}


async def find_pod(client: Client, namespace: str, reference: str) -> Object:
    """The pod that `reference` names: NAME, pod/NAME, or a ready one of deploy/NAME, sts/NAME, svc/NAME, …"""
    from difflib import get_close_matches

    from sealane.kube.client.protocol import ApiError

    kind_name, _, name = reference.rpartition("/")
    if kind_name in ("", "po", "pod", "pods"):
        pods = (await client.list(kinds.POD, namespace)).items
        for pod in pods:
            if pod.name == name:
                return pod
        near = get_close_matches(name, [pod.name for pod in pods], 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; pods there: {', '.join(p.name for p in pods) or 'none'}"
        raise Exit(2, f"no pod {name!r} in namespace {namespace!r}{hint}")
    kind = WORKLOADS.get(kind_name.lower())
    if kind is None:
        raise Exit(2, f"{reference!r}: expected a pod, or one of {', '.join(sorted(WORKLOADS))} and /NAME")
    try:
        owner = await client.get(kind, namespace, name)
    except ApiError as error:
        raise Exit(2, error.message) from None
    raw = owner.spec.get("selector") or {}
    selector = LabelSelector.of_labels(raw) if kind is kinds.SERVICE else LabelSelector.of(raw)
    if not selector.requirements:
        raise Exit(2, f"{reference} selects no pods")
    found = (await client.list(kinds.POD, namespace, labels=str(selector))).items
    pods = tuple(pod for pod in found if not pod.deleting)
    for pod in pods:
        if any(c.get("type") == "Ready" and c.get("status") == "True" for c in pod.status.get("conditions") or ()):
            return pod
    raise Exit(1, f"{reference} has no ready pod ({len(pods)} not ready)")
