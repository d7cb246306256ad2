"""`sealane status --context CTX`: a live cluster, reached through a kubeconfig as kubectl would."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sealane.cli.say import BAD_INPUT, NOT, OK, Exit, console, guarded, table
from sealane.cluster.readiness import condition_is, pod_reason
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object
from sealane.network.pods import addresses

if TYPE_CHECKING:
    from rich.console import Console

    from sealane.kube.client.http import HttpClient

SECONDS = 20.0
_SHOWN = (kinds.NODE, kinds.POD, kinds.SERVICE, kinds.GATEWAY)


def status(context: str, *, as_json: bool) -> int:
    return guarded(lambda: _status(context, as_json=as_json))


def _status(context: str, *, as_json: bool) -> int:
    found = asyncio.run(_describe(context))
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        _print(found, console())
    return OK


def client(context: str) -> HttpClient:
    """Of the cluster that `context` of the user's kubeconfig names. Raises Exit."""
    from sealane.kube.client.http import HttpClient
    from sealane.kube.client.kubeconfig import KubeconfigError

    try:
        return HttpClient.from_kubeconfig(context=context)
    except (KubeconfigError, OSError) as error:
        raise Exit(BAD_INPUT, str(error)) from None


async def read(speaks: HttpClient, wanted: Sequence[Kind]) -> tuple[list[Object], dict[Kind, str]]:
    """The cluster's objects of these kinds, and the kinds that it does not let us see. Raises Exit.

    A kind that it does not know, as Gateways without their CustomResourceDefinitions, is there not once.
    """
    server = speaks.access.server
    try:
        async with asyncio.timeout(SECONDS):
            lists = await asyncio.gather(*(speaks.list(kind) for kind in wanted), return_exceptions=True)
    except TimeoutError:
        raise Exit(NOT, f"{server} does not answer") from None
    objects: list[Object] = []
    refused: dict[Kind, str] = {}
    for kind, found in zip(wanted, lists, strict=True):
        if isinstance(found, ApiError):
            if found.code == 401:
                raise Exit(NOT, f"{server} does not accept the credentials of this context: {found.message}")
            if found.code != 404:
                refused[kind] = found.message
        elif isinstance(found, OSError):
            raise Exit(NOT, f"{server} cannot be reached: {found}")
        elif isinstance(found, BaseException):
            raise found
        else:
            objects += found.items
    return objects, refused


async def _describe(context: str) -> dict[str, Any]:
    """{context, server, version, nodes, pods, services, gateways, refused}."""
    async with client(context) as speaks:
        objects, refused = await read(speaks, _SHOWN)
        try:
            version = str((await speaks.request("GET", "/version")).get("gitVersion") or "")
        except (ApiError, OSError):
            version = ""
        server = speaks.access.server
    of = {kind: [each for each in objects if each.kind == kind.kind] for kind in _SHOWN}
    per_node = Counter(pod.spec.get("nodeName") for pod in of[kinds.POD])
    return {
        "context": context,
        "server": server,
        "version": version,
        "nodes": [node_line(each, per_node[each.name]) for each in of[kinds.NODE]],
        "pods": [pod_line(each) for each in of[kinds.POD]],
        "services": [_service(each) for each in of[kinds.SERVICE]],
        "gateways": [_gateway(each) for each in of[kinds.GATEWAY]],
        "refused": {kind.plural: why for kind, why in refused.items()},
    }


def node_line(node: Object, pods: int) -> dict[str, Any]:
    return {
        "name": node.name,
        "ready": condition_is(node.status, "Ready", "True"),
        "addresses": [a["address"] for a in node.status.get("addresses") or () if a["type"] == "InternalIP"],
        "podCIDRs": node.spec.get("podCIDRs") or [],
        "pods": pods,
    }


def pod_line(pod: Object) -> dict[str, Any]:
    ready = condition_is(pod.status, "Ready", "True")
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "node": pod.spec.get("nodeName", ""),
        "ips": list(addresses(pod)),
        "phase": "Terminating" if pod.deleting else pod.status.get("phase", "Pending"),
        "ready": ready,
        "reason": "" if ready else pod_reason(pod),
    }


def _service(service: Object) -> dict[str, Any]:
    spec = service.spec
    balanced = [
        each.get("ip") or each.get("hostname")
        for each in (service.status.get("loadBalancer") or {}).get("ingress") or ()
    ]
    return {
        "namespace": service.namespace,
        "name": service.name,
        "type": spec.get("type", "ClusterIP"),
        "addresses": list(spec.get("clusterIPs") or filter(None, [spec.get("clusterIP") or spec.get("externalName")])),
        "external": [*balanced, *(spec.get("externalIPs") or ())],
        "ports": [
            f"{port['port']}{':' + str(port['nodePort']) if port.get('nodePort') else ''}/{port.get('protocol', 'TCP')}"
            for port in spec.get("ports") or ()
        ],
    }


def _gateway(gateway: Object) -> dict[str, Any]:
    return {
        "namespace": gateway.namespace,
        "name": gateway.name,
        "class": gateway.spec.get("gatewayClassName", ""),
        "addresses": [each.get("value", "") for each in gateway.status.get("addresses") or ()],
        "listeners": [
            f"{each.get('name')} {each.get('protocol')} {each.get('port')}"
            for each in gateway.spec.get("listeners") or ()
        ],
        "programmed": condition_is(gateway.status, "Programmed", "True"),
    }


def _print(found: dict[str, Any], out: Console) -> None:
    out.print(f"[bold]{found['context']}[/bold]  {found['server']}  {found['version']}")
    nodes = table("Node", "Ready", "Address", "Pod range", "Pods")
    for each in found["nodes"]:
        ready = "yes" if each["ready"] else "[red]no[/red]"
        nodes.add_row(each["name"], ready, *_first(each["addresses"], each["podCIDRs"]), str(each["pods"]))
    out.print(nodes)
    pods = table("Namespace", "Pod", "Node", "Address", "State")
    for each in found["pods"]:
        state = each["phase"] if each["ready"] else f"[yellow]{each['phase']}: {each['reason']}[/yellow]"
        pods.add_row(each["namespace"], each["name"], each["node"], *_first(each["ips"]), state)
    out.print(pods)
    services = table("Namespace", "Service", "Type", "Address", "External", "Ports")
    for each in found["services"]:
        services.add_row(
            each["namespace"],
            each["name"],
            each["type"],
            *_first(each["addresses"]),
            ", ".join(each["external"]),
            ", ".join(each["ports"]),
        )
    out.print(services)
    if found["gateways"]:
        gateways = table("Namespace", "Gateway", "Class", "Addresses", "Listeners", "Programmed")
        for each in found["gateways"]:
            gateways.add_row(
                each["namespace"],
                each["name"],
                each["class"],
                ", ".join(each["addresses"]),
                ", ".join(each["listeners"]),
                "yes" if each["programmed"] else "[red]no[/red]",
            )
        out.print(gateways)
    for why in found["refused"].values():
        out.print(f"[yellow]not shown: {why}[/yellow]")


def _first(*lists: Sequence[str]) -> list[str]:
    return [each[0] if each else "" for each in lists]
