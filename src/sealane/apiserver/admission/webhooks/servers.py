"""The server of a webhook: whether it is a stand-in, which cannot judge.

Images are answered, so the server of a webhook may be an echo (`network.standins`). An echo would refuse every object
of the kind; the webhook is passed over instead, and a Warning says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sealane.apiserver.admission.webhooks.configuration import Service
from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.storage.store import Store
from sealane.kube.objects import Raw
from sealane.network.standins import is_stand_in

_WORKLOADS: tuple[Resource, ...] = (
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "replicasets"),
)


def served_by_stand_in(store: Store, wanted: Service) -> bool:
    """Whether all that a Service selects are stand-ins: its pods, or while there are none the templates of workloads.

    False for a Service that is not there, has no selector or selects nothing: then it is as in Kubernetes.
    """
    stored = store.get(("", "services"), wanted.namespace, wanted.name)
    selector: Mapping[str, str] = stored.object.spec.get("selector") or {} if stored is not None else {}
    if stored is None or not selector:
        return False
    port: Raw = next((each for each in stored.object.spec.get("ports") or () if each.get("port") == wanted.port), {})
    target = port.get("targetPort") or port.get("port")
    candidates = list(_pods(store, wanted.namespace, selector)) or list(_templates(store, wanted.namespace, selector))
    return bool(candidates) and all(is_stand_in(spec, status, target) for spec, status in candidates)


def _pods(store: Store, namespace: str, selector: Mapping[str, str]) -> Iterator[tuple[Raw, Raw]]:
    for stored in store.items(("", "pods"), namespace):
        pod = stored.object
        if selector.items() <= pod.labels.items() and pod.status.get("phase") not in ("Succeeded", "Failed"):
            yield dict(pod.spec), dict(pod.status)


def _templates(store: Store, namespace: str, selector: Mapping[str, str]) -> Iterator[tuple[Raw, Raw]]:
    for resource in _WORKLOADS:
        for stored in store.items(resource, namespace):
            template: Mapping[str, Any] = stored.object.spec.get("template") or {}
            labels = (template.get("metadata") or {}).get("labels") or {}
            if selector.items() <= labels.items():
                yield template.get("spec") or {}, {}
