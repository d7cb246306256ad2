"""What the options of `up` make of the objects of manifests before they are applied."""

from __future__ import annotations

from collections.abc import Iterable

from sealane.kube import kinds
from sealane.kube.client.protocol import Client
from sealane.kube.objects import Object
from sealane.network.routes.classes import ADOPTED, GATEWAY_CONTROLLER, INGRESS_CONTROLLER
from sealane.network.routes.ingress.classes import NGINX_CONTROLLER


async def with_namespace(client: Client, objects: list[Object], name: str) -> list[Object]:
    """What -n adds: the namespace, unless it is there or among `objects`."""
    there = {each.name for each in objects if each.kind == kinds.NAMESPACE.kind}
    there |= {each.name for each in (await client.list(kinds.NAMESPACE)).items}
    raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    return objects if name in there else [Object(raw), *objects]


async def populated(client: Client, objects: list[Object]) -> list[Object]:
    """What --populate adds: namespaces that the manifests only name, and stand-ins for selectors that match nothing."""
    from sealane.controllers.workloads.populate import populate

    grown = (kinds.DEPLOYMENT, kinds.STATEFULSET, kinds.DAEMONSET, kinds.POD)
    pods = [each for kind in grown for each in (await client.list(kind)).items]
    there = {each.name for each in (await client.list(kinds.NAMESPACE)).items}
    there |= {each.name for each in objects if each.kind == kinds.NAMESPACE.kind}
    missing = sorted({each.namespace for each in objects} - there - {""})
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in missing]
    return [Object(raw) for raw in [*namespaces, *populate(objects, pods)]]


async def with_classes(
    client: Client, objects: list[Object], gateway_classes: Iterable[str], ingress_classes: Iterable[str]
) -> list[Object]:
    """What --gateway-class and --ingress-class add: each class named is served here.

    It is annotated among `objects`, else where the API has it, else made.
    """
    found = list(objects)
    wanted = [(kinds.GATEWAYCLASS, name) for name in gateway_classes]
    wanted += [(kinds.INGRESSCLASS, name) for name in ingress_classes]
    for kind, name in wanted:
        place = next((n for n, each in enumerate(found) if each.kind == kind.kind and each.name == name), None)
        if place is not None:
            found[place] = _adopted(found[place])
        elif name in {each.name for each in (await client.list(kind)).items}:
            await client.patch(kind, "", name, {"metadata": {"annotations": {ADOPTED: "true"}}})
        else:
            found.append(_class(kind, name))
    return found


def _class(kind: kinds.Kind, name: str) -> Object:
    """A class of this name. The one that ingress-nginx installs says so, for its Ingresses expect what that does."""
    field, controller = _CONTROLLERS[kind]
    nginx = (kind, name) == (kinds.INGRESSCLASS, "nginx")
    raw = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name},
        "spec": {field: NGINX_CONTROLLER if nginx else controller},
    }
    return _adopted(Object(raw)) if nginx else Object(raw)


_CONTROLLERS = {
    kinds.GATEWAYCLASS: ("controllerName", GATEWAY_CONTROLLER),
    kinds.INGRESSCLASS: ("controller", INGRESS_CONTROLLER),
}


def _adopted(found: Object) -> Object:
    metadata = found.raw["metadata"]
    annotations = {**(metadata.get("annotations") or {}), ADOPTED: "true"}
    return Object({**found.raw, "metadata": {**metadata, "annotations": annotations}}, found.origin)
