"""Columns of `kubectl get` for workloads.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from collections.abc import Callable

from sealane.kube.kinds.column import AGE, NAME, NONE, SELECTOR, labels, number, shown, spec_of, status_of
from sealane.kube.kinds.pods.columns import OF_TEMPLATE
from sealane.kube.objects import Raw


def _of_replicas(raw: Raw) -> str:
    return f"{status_of(raw).get('readyReplicas', 0)}/{spec_of(raw).get('replicas', 1)}"


def _node_selector(raw: Raw) -> str:
    return labels(((spec_of(raw).get("template") or {}).get("spec") or {}).get("nodeSelector"))


def _controller(raw: Raw) -> str:
    owners = raw["metadata"].get("ownerReferences") or ()
    for owner in owners:
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            return f"{owner['kind'].lower()}{f'.{group}' if group else ''}/{owner['name']}"
    return NONE


_REPLICAS = (
    NAME,
    number("Desired", "spec", "replicas", absent=1),
    number("Current", "status", "replicas"),
    number("Ready", "status", "readyReplicas"),
    AGE,
    *OF_TEMPLATE,
)

DEPLOYMENT = (
    NAME,
    shown("Ready", _of_replicas),
    number("Up-to-date", "status", "updatedReplicas"),
    number("Available", "status", "availableReplicas"),
    AGE,
    *OF_TEMPLATE,
    SELECTOR,
)
REPLICA_SET = (*_REPLICAS, SELECTOR)
REPLICATION_CONTROLLER = (*_REPLICAS, shown("Selector", lambda raw: labels(spec_of(raw).get("selector")), wide=True))
STATEFUL_SET = (NAME, shown("Ready", _of_replicas), AGE, *OF_TEMPLATE)
DAEMON_SET = (
    NAME,
    number("Desired", "status", "desiredNumberScheduled"),
    number("Current", "status", "currentNumberScheduled"),
    number("Ready", "status", "numberReady"),
    number("Up-to-date", "status", "updatedNumberScheduled"),
    number("Available", "status", "numberAvailable"),
    shown("Node Selector", _node_selector),
    AGE,
    *OF_TEMPLATE,
    SELECTOR,
)
CONTROLLER_REVISION = (NAME, shown("Controller", _controller), number("Revision", "revision"), AGE)


def _of_containers(field: str) -> Callable[[Raw], str]:
    def show(raw: Raw) -> str:
        containers = ((raw.get("template") or {}).get("spec") or {}).get("containers") or ()
        return ",".join(each.get(field, "") for each in containers)

    return show


POD_TEMPLATE = (
    NAME,
    shown("Containers", _of_containers("name")),
    shown("Images", _of_containers("image")),
    shown("Pod Labels", lambda raw: labels(((raw.get("template") or {}).get("metadata") or {}).get("labels"))),
)
