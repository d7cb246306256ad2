"""What the options of `up` make of the objects of manifests before they are applied."""

from __future__ import annotations

from sealane.kube import kinds
from sealane.kube.client.protocol import Client
from sealane.kube.objects import Object


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
