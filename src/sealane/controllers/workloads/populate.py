"""Stand-ins for what manifests only talk about: `--populate`.

Network manifests are often published without the workloads they are about. For each selector that matches no pod of the
same manifests, `populate` makes a Deployment whose pods carry the labels asked for and serve the ports asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from sealane.controllers.workloads.revisions import template_hash
from sealane.kube.kinds import DEPLOYMENT
from sealane.kube.objects import Object, Raw
from sealane.kube.selectors import LabelSelector

IMAGE = "sealane/stand-in"
LABEL = "sealane.dev/stand-in"
REPLICAS = 2

_TEMPLATES = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job"})


class _StandIn(msgspec.Struct):
    """A workload to make: where, with which labels, named after what, serving which (protocol, number) -> name."""

    namespace: str
    labels: dict[str, str]
    name: str
    ports: dict[tuple[str, int], str] = msgspec.field(default_factory=dict)


def populate(objects: Iterable[Object], there: Iterable[Object] = ()) -> list[Raw]:
    """Deployments for the selectors of Services and NetworkPolicies that match no pod template among `objects`.

    there: what the cluster has already. Its pods count too; its stand-ins of the same labels are kept, and serve
    what is wanted now beside what they serve; a name that one of other labels has is not taken from it.
    Namespaces that a policy's namespaceSelector wants and that no object brings are not invented. Selectors by
    expression are met where a pod can meet them: `In` with its first value, `Exists` with "true".
    """
    all_ = sorted(objects, key=lambda each: each.key)
    there = list(there)
    grown = [each for each in there if LABEL not in each.labels and not each.metadata.get("ownerReferences")]
    labelled = [(_home(each), labels) for each in [*all_, *grown] if (labels := _pod_labels(each)) is not None]
    namespaces = [each for each in all_ if each.kind == "Namespace"]
    made: dict[tuple[str, tuple[tuple[str, str], ...]], _StandIn] = {}

    def wanted(namespace: str, selector: LabelSelector, name: str) -> _StandIn | None:
        """The stand-in that meets `selector`, or None when a pod of the manifests does, or no pod can."""
        if any(home == (namespace or "default") and selector.matches(labels) for home, labels in labelled):
            return None
        for each in made.values():
            if each.namespace == namespace and selector.matches(each.labels) and selector.requirements:
                return each
        labels = example(selector)
        if not labels:
            return None
        return made.setdefault((namespace, tuple(sorted(labels.items()))), _StandIn(namespace, labels, name))

    # Services first: they name the workload best, and say which ports it serves.
    services = [each for each in all_ if each.kind == "Service" and each.key.group == ""]
    # Selectors with the most labels first: their pods may do for others too.
    for service in sorted(services, key=lambda each: -len(each.spec.get("selector") or ())):
        selector = service.spec.get("selector")
        if selector and service.spec.get("type") != "ExternalName":
            stand_in = wanted(service.namespace, LabelSelector.of_labels(selector), service.name)
            if stand_in is not None:
                _serve(stand_in, service.spec.get("ports") or ())
    for policy in (each for each in all_ if each.kind == "NetworkPolicy" and each.key.group == "networking.k8s.io"):
        for namespace, raw, ports in _policy_selectors(policy, namespaces):
            stand_in = wanted(namespace, LabelSelector.of(raw), _name_of(raw))
            if stand_in is not None:
                _allow(stand_in, ports)
    deployments = [each for each in [*all_, *there] if each.kind == "Deployment"]
    taken = {(_home(each), each.name) for each in deployments}
    before = {
        (_home(each), tuple(sorted((_pod_labels(each) or {}).items()))): each
        for each in deployments
        if LABEL in each.labels
    }
    for (namespace, items), stand_in in made.items():
        made_before = before.get((namespace or "default", items))
        if made_before is not None:
            stand_in.name = made_before.name
            _serve_still(stand_in, made_before)
        else:
            stand_in.name = _free_name(stand_in, taken)
    return [_deployment(each) for each in made.values()]


def _serve_still(stand_in: _StandIn, before: Object) -> None:
    for container in before.spec["template"]["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name", "") not in stand_in.ports.values() or not port.get("name"):
                key = port.get("protocol") or "TCP", port["containerPort"]
                stand_in.ports[key] = stand_in.ports.get(key) or port.get("name", "")


def _free_name(stand_in: _StandIn, taken: set[tuple[str, str]]) -> str:
    """A name for its Deployment that no other has; from now on taken."""
    base = "".join(char if char.isalnum() else "-" for char in stand_in.name.lower()).strip("-")[:50] or "pod"
    home = stand_in.namespace or "default"
    name = base if (home, base) not in taken else f"{base}-{template_hash(stand_in.labels)[:5]}"
    taken.add((home, name))
    return name


def example(selector: LabelSelector) -> dict[str, str]:
    """Labels that `selector` matches; {} when it matches everything or cannot be met by adding labels."""
    labels: dict[str, str] = {}
    for requirement in selector.requirements:
        if requirement.operator == "In":
            labels.setdefault(requirement.key, requirement.values[0] if requirement.values else "")
        elif requirement.operator == "Exists":
            labels.setdefault(requirement.key, "true")
    return labels if selector.matches(labels) else {}


def _serve(stand_in: _StandIn, ports: Sequence[Mapping[str, Any]]) -> None:
    for port in ports:
        protocol = port.get("protocol") or "TCP"
        target = port.get("targetPort") or port.get("port")
        if isinstance(target, str) and target.isdecimal():
            target = int(target)
        if isinstance(target, int):
            stand_in.ports.setdefault((protocol, target), "")
        elif isinstance(target, str) and target not in stand_in.ports.values():
            # By name only: the Service's own port is as good a number as any, if it is free.
            number = _WELL_KNOWN.get(target, int(port["port"]))
            while stand_in.ports.get((protocol, number)):
                number += 1
            stand_in.ports[protocol, number] = target


def _allow(stand_in: _StandIn, ports: Sequence[Mapping[str, Any]]) -> None:
    for port in ports:
        number = port.get("port")
        if isinstance(number, int):
            stand_in.ports.setdefault((port.get("protocol") or "TCP", number), "")
        elif isinstance(number, str):
            _serve(stand_in, [{"port": 8080, "targetPort": number, "protocol": port.get("protocol")}])


def _policy_selectors(
    policy: Object, namespaces: Sequence[Object]
) -> Iterable[tuple[str, Mapping[str, Any], Sequence[Mapping[str, Any]]]]:
    """(namespace, selector, ports it must serve) for the policy's own pods and for its peers."""
    spec = policy.spec
    ingress: Sequence[Mapping[str, Any]] = spec.get("ingress") or ()
    served = [port for rule in ingress for port in rule.get("ports") or ()]
    yield policy.namespace, spec.get("podSelector") or {}, served
    for rule, way in [*((rule, "from") for rule in ingress), *((rule, "to") for rule in spec.get("egress") or ())]:
        ports = rule.get("ports") or () if way == "to" else ()
        for peer in rule.get(way) or ():
            if peer.get("podSelector"):
                chosen = peer.get("namespaceSelector")
                if chosen is None:
                    yield policy.namespace, peer["podSelector"], ports
                    continue
                match = LabelSelector.of(chosen)
                for namespace in namespaces:
                    if match.matches({"kubernetes.io/metadata.name": namespace.name, **namespace.labels}):
                        yield namespace.name, peer["podSelector"], ports
                        break


def _pod_labels(each: Object) -> Mapping[str, str] | None:
    """Labels of the pods an object brings, if it brings any."""
    if each.kind == "Pod" and each.key.group == "":
        return each.labels
    if each.kind == "CronJob":
        template = (((each.spec.get("jobTemplate") or {}).get("spec")) or {}).get("template") or {}
    elif each.kind in _TEMPLATES:
        template = each.spec.get("template") or {}
    else:
        return None
    return (template.get("metadata") or {}).get("labels") or {}


def _home(each: Object) -> str:
    return each.namespace or "default"


def _name_of(selector: Mapping[str, Any]) -> str:
    """The most telling label value of a selector, or one of its keys."""
    labels = example(LabelSelector.of(selector))
    for key in ("app.kubernetes.io/name", "app", "k8s-app", "name", "role", "component", "tier"):
        if labels.get(key):
            return labels[key]
    return next((value for value in labels.values() if value and value != "true"), next(iter(labels), "pod"))


def _deployment(stand_in: _StandIn) -> Raw:
    ports = [
        {**({"name": port_name} if port_name else {}), "containerPort": number, "protocol": protocol}
        for (protocol, number), port_name in sorted(stand_in.ports.items())
    ] or [{"containerPort": 80, "protocol": "TCP"}]
    metadata: Raw = {"name": stand_in.name, "labels": {**stand_in.labels, LABEL: "true"}}
    if stand_in.namespace:
        metadata["namespace"] = stand_in.namespace
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": metadata,
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": dict(stand_in.labels)},
            "template": {
                "metadata": {"labels": dict(stand_in.labels)},
                "spec": {"containers": [{"name": "stand-in", "image": IMAGE, "ports": ports}]},
            },
        },
    }


_WELL_KNOWN = {"http": 80, "https": 443, "dns": 53, "dns-tcp": 53, "metrics": 9090, "grpc": 9000}
