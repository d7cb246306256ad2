"""What `expected` says of manifests and what the controllers make of them in a cluster are one thing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import furnish, start_api
from sealane.apiserver.storage.store import Store
from sealane.cluster import bootstrap
from sealane.controllers import Controllers
from sealane.controllers.gateways.gateways import Gateways
from sealane.explain.expect import expected
from sealane.explain.world import World
from sealane.kube import kinds
from sealane.kube.kinds import KNOWN, Kind
from sealane.kube.objects import Object, Raw
from sealane.network.model import Network
from sealane.reactive.collections import Graph
from sealane.reactive.informer import Informers, inform

COMPARED = (kinds.SERVICE, kinds.ENDPOINTSLICE, kinds.ENDPOINTS, kinds.DEPLOYMENT)
CONTROLLERS = frozenset({"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"})


def made(api_version: str, kind: str, name: str, namespace: str = "shop", **fields: Any) -> Raw:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def pod(name: str, node: str, number: int, ready: bool = True, labels: Raw | None = None, **metadata: Any) -> Raw:
    containers = [{"name": "c", "image": "web", "ports": [{"name": "http", "containerPort": 8080}]}]
    addresses = [f"10.244.{node[-1]}.{number}", f"fd00:10:244:{node[-1]}::{number}"]
    status = {
        "phase": "Running",
        "podIP": addresses[0],
        "podIPs": [{"ip": each} for each in addresses],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
    spec = {"nodeName": node, "containers": containers}
    return made("v1", "Pod", name, metadata={"labels": labels or {"app": "web"}, **metadata}, spec=spec, status=status)


def service(name: str, metadata: Raw | None = None, **spec: Any) -> Raw:
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]
    return made(
        "v1", "Service", name, metadata=metadata or {}, spec={"selector": {"app": "web"}, "ports": ports, **spec}
    )


def gateway(*listeners: Raw, **spec: Any) -> Raw:
    spec = {"gatewayClassName": "sealane", "listeners": list(listeners), **spec}
    return made("gateway.networking.k8s.io/v1", "Gateway", "edge", spec=spec)


PODS = [pod("web-0", "node-1", 11), pod("web-1", "node-2", 12), pod("web-2", "node-2", 13, ready=False)]
HTTP = {"name": "http", "protocol": "HTTP", "port": 80}
HTTPS = {
    "name": "https",
    "protocol": "HTTPS",
    "port": 443,
    "tls": {"certificateRefs": [{"name": "edge-tls"}]},
}
CASES: dict[str, list[Raw]] = {
    "services": [
        *PODS,
        service("plain"),
        service("two-families", ipFamilyPolicy="PreferDualStack"),
        service("six", ipFamilies=["IPv6"]),
        service("headless", clusterIP="None"),
        service("nobody", selector={"app": "none"}),
        service("named", ports=[{"name": "a", "port": 1, "targetPort": "nowhere"}, {"name": "b", "port": 2}]),
        service("node-ports", type="NodePort"),
        service("unready-too", publishNotReadyAddresses=True),
        service("near", trafficDistribution="PreferClose"),
        made("v1", "Service", "elsewhere", spec={"type": "ExternalName", "externalName": "example.com"}),
    ],
    "load balancers": [
        *PODS,
        service("balanced", type="LoadBalancer"),
        service("both", type="LoadBalancer", ipFamilyPolicy="RequireDualStack"),
        service("local", type="LoadBalancer", externalTrafficPolicy="Local"),
        service("wish", type="LoadBalancer", loadBalancerIP="172.18.255.77"),
        service("wrong-wish", type="LoadBalancer", loadBalancerIP="8.8.8.8"),
        service("of-another", type="LoadBalancer", loadBalancerClass="example.com/lb"),
        service(
            "inside",
            {"annotations": {"service.beta.kubernetes.io/aws-load-balancer-internal": "true"}},
            type="LoadBalancer",
        ),
        service(
            "encrypted",
            {"annotations": {"service.beta.kubernetes.io/aws-load-balancer-ssl-cert": "tls"}},
            type="LoadBalancer",
        ),
        service("without-ports", type="LoadBalancer", allocateLoadBalancerNodePorts=False),
    ],
    "endpoints by hand": [
        made("v1", "Service", "by-hand", spec={"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}),
        made(
            "v1",
            "Endpoints",
            "by-hand",
            subsets=[{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"name": "http", "port": 8080}]}],
        ),
    ],
    "one gateway, two listeners": [gateway(HTTP, HTTPS)],
    "a gateway with labels and an address": [
        gateway(
            HTTP,
            {**HTTP, "name": "other", "port": 8080},
            infrastructure={"labels": {"team": "edge"}, "annotations": {"a": "b"}},
            addresses=[{"type": "IPAddress", "value": "172.18.255.9"}],
        )
    ],
    "a gateway that cannot serve": [gateway(HTTPS)],
    "a gateway of another class": [gateway(HTTP, gatewayClassName="other")],
    "an ingress": [
        *PODS,
        service("web"),
        made(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            spec={
                "ingressClassName": "sealane",
                "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
            },
        ),
    ],
    "an ingress of another class": [
        made(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            spec={
                "ingressClassName": "nginx",
                "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
            },
        )
    ],
}


def of(raw: Raw) -> Kind:
    return next(each for each in KNOWN if (each.api_version, each.kind) == (raw["apiVersion"], raw["kind"]))


@pytest.mark.parametrize("case", CASES)
def test_as_the_controllers_make_it(case: str, tmp_path: Path) -> None:
    asyncio.run(_compare(CASES[case], tmp_path))


async def _compare(raws: list[Raw], folder: Path) -> None:
    store = Store.open(folder / "store.db")
    api = start_api(store)
    furnish(api)
    client = LocalClient(api)
    own = [raw for _, raw in bootstrap.objects(2) if raw["kind"] in ("GatewayClass", "IngressClass", "Namespace")]
    nodes = [made("v1", "Node", f"node-{n}", "", spec={"podCIDRs": [f"10.244.{n}.0/24"]}) for n in (1, 2)]
    created = [*own, made("v1", "Namespace", "shop", ""), *nodes, *raws]
    for raw in created:
        await client.create(of(raw), raw)
        if raw["kind"] == "Pod":
            patch = {"status": raw["status"]}
            await client.patch(kinds.POD, "shop", raw["metadata"]["name"], patch, subresource="status")
    cluster = inform(client, Graph())
    network = Network.of(cluster)
    controllers, gateways = Controllers(client, network), Gateways(client, network)
    cluster.start()
    await cluster.synced()
    controllers.start()
    gateways.start()
    try:
        for _ in range(20):  # until the controllers have said all: on a busy machine a pause is no end
            await _quiet(client, cluster)
            held = [item for source in list(cluster.values()) for item in source.values()]
            given = [Object(_as_given(item.raw)) for item in held if not _is_made(item)]
            if _compared(expected(given)) == _compared(held):
                break
    finally:
        await gateways.stop()
        await controllers.stop()
        await cluster.stop()
        store.close()
    assert _compared(expected(given)) == _compared(held)


async def _quiet(client: LocalClient, cluster: Informers) -> None:
    """Plays the nodes: pods that are bound run. Returns when nothing is written any more."""
    before: object = None
    for _ in range(200):
        for item in cluster[kinds.POD].values():
            if item.spec.get("nodeName") and not item.status.get("podIP"):
                ran = pod("", item.spec["nodeName"], 99)["status"]
                await client.patch(kinds.POD, item.namespace, item.name, {"status": ran}, subresource="status")
        now = {key: item.resource_version for kind in list(cluster) for key, item in cluster[kind].items()}
        if now == before:
            return
        before = now
        await asyncio.sleep(0.15)
    raise AssertionError("the controllers do not come to rest")


def _is_made(item: Object) -> bool:
    """Is it a controller's own?"""
    return (
        item.labels.get("app.kubernetes.io/managed-by") == "sealane-gateway-controller"
        or item.labels.get("endpointslice.kubernetes.io/managed-by") in CONTROLLERS
        or item.labels.get("endpoints.kubernetes.io/managed-by") == "endpoint-controller"
    )


ASSIGNED = ("clusterIP", "clusterIPs", "ipFamilies", "healthCheckNodePort")


def _as_given(raw: Raw) -> Raw:
    """Without what the cluster has assigned."""
    if raw["kind"] != "Service" or raw["spec"]["type"] == "ExternalName":
        return raw
    spec = {key: value for key, value in raw["spec"].items() if key not in ASSIGNED}
    if raw["spec"]["clusterIP"] == "None":
        spec["clusterIP"] = "None"
    if raw["spec"]["ipFamilies"] == ["IPv6"]:
        spec["ipFamilies"] = ["IPv6"]
    spec["ports"] = [{key: value for key, value in port.items() if key != "nodePort"} for port in spec["ports"]]
    return {key: value for key, value in raw.items() if key != "status"} | {"spec": spec}


TIMES = {"endpoints.kubernetes.io/last-change-trigger-time", "deployment.kubernetes.io/revision"}
SERVERS = {"resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"}
DEFAULTS = {
    "sessionAffinity",
    "internalTrafficPolicy",
    "externalTrafficPolicy",
    "allocateLoadBalancerNodePorts",
    "protocol",
    "targetPort",
}


def _compared(objects: list[Object]) -> dict[str, Any]:
    """Whatever the API server adds to an object left out, and of assigned addresses and ports only which range."""
    found: dict[str, Any] = {}
    for item in objects:
        if item.kind in {kind.kind for kind in COMPARED}:
            raw = item.raw if item.kind != "Deployment" else {**item.raw, "spec": item.spec["template"]["metadata"]}
            metadata = {key: value for key, value in raw["metadata"].items() if key not in SERVERS}
            left = {key: value for key, value in metadata.get("annotations", {}).items() if key not in TIMES}
            metadata["annotations"] = left
            plain = {key: value for key, value in raw.items() if key != "status" or item.kind == "Service"}
            name = str(item.key)
            if item.kind == "EndpointSlice":  # names are made of uids
                del metadata["name"]
                name = f"{item.namespace} {metadata['generateName']} {item.raw['addressType']} {item.raw['ports']}"
            found[name] = _ranged({**plain, "metadata": metadata})
    return found


def _ranged(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _ranged(each) for key, each in value.items() if key not in SERVERS | DEFAULTS}
        if "nodePort" in kept:
            kept["nodePort"] = "a port"
        if "healthCheckNodePort" in kept:
            kept["healthCheckNodePort"] = "a port"
        return {key: each for key, each in kept.items() if each not in ({}, [], None)}
    if isinstance(value, list):
        return [_ranged(each) for each in value]
    if isinstance(value, str):
        value = re.sub(r"^10\.96\.\d+\.\d+$", "10.96", value)
        value = re.sub(r"^fd00:10:96::\w+$", "fd00:10:96", value)
        value = re.sub(r"^172\.18\.(25[45])\.(?!77$|9$)\d+$", r"172.18.\1", value)
        return re.sub(r"^(fd00:172:18:f[ef])::\w+$", r"\1", value)
    return value


def test_a_gateways_service_has_the_ports_that_are_served() -> None:
    """The one of a Gateway with a listener that is not served: ports and families as in a cluster."""
    own = [Object(raw) for _, raw in bootstrap.objects(2)]
    world = World(expected([*own, Object(gateway(HTTP, HTTPS))]))
    (made_service,) = [
        item for key, item in world.objects.items() if (key.kind, key.name) == ("Service", "edge-sealane")
    ]
    assert [port["port"] for port in made_service.spec["ports"]] == [80]
    assert made_service.spec["ipFamilies"] == ["IPv4", "IPv6"]
    assert len(made_service.status["loadBalancer"]["ingress"]) == 2
