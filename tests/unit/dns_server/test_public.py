"""Names that Services ask for outside the cluster's domain."""

from __future__ import annotations

from sealane.dataplane.dns.public import PublicNames
from sealane.kube.objects import Key, Object
from sealane.reactive.collections import Graph, Source


def service(name: str, hostnames: str, *addresses: str) -> Object:
    annotations = {"external-dns.alpha.kubernetes.io/hostname": hostnames}
    return Object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
            "spec": {"type": "LoadBalancer"},
            "status": {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}},
        }
    )


class Nodes:
    """What an informer is to `PublicNames`: a source, followed once it is asked to."""

    started = 0

    def __init__(self, source: Source[Key, Object]) -> None:
        self.source = source

    def start(self) -> None:
        Nodes.started += 1


def test_names_come_change_and_go() -> None:
    graph = Graph()
    services: Source[Key, Object] = Source(graph, "services")
    nodes: Source[Key, Object] = Source(graph, "nodes")
    names = PublicNames(services, Nodes(nodes))  # type: ignore[arg-type]

    def told(name: str) -> list[tuple[str, str]] | None:
        found = names(name)
        return None if found is None else [(record.type, record.data) for record in found]

    def put(one: Object) -> None:
        services.set(one.key, one)

    put(service("web", "www.example.com,shop.example.com"))
    assert told("www.example.com") is None  # no address yet
    put(service("web", "www.example.com,shop.example.com", "172.18.255.1", "fd00::1"))
    assert told("www.example.com") == [("A", "172.18.255.1"), ("AAAA", "fd00::1")]
    put(service("other", "www.example.com", "172.18.255.2"))
    assert told("www.example.com") == [("A", "172.18.255.1"), ("AAAA", "fd00::1"), ("A", "172.18.255.2")]
    put(service("web", "shop.example.com", "172.18.255.1"))
    assert told("www.example.com") == [("A", "172.18.255.2")]
    assert told("shop.example.com") == [("A", "172.18.255.1")]
    ports = service("ports", "ports.example.com")
    addresses = [{"type": "InternalIP", "address": "172.18.1.1"}, {"type": "Hostname", "address": "node-1"}]
    node = {"kind": "Node", "metadata": {"name": "node-1"}, "status": {"addresses": addresses}}
    nodes.set(Object(node).key, Object(node))
    put(Object({**ports.raw, "spec": {"type": "NodePort"}}))
    assert told("ports.example.com") == [("A", "172.18.1.1")]
    assert Nodes.started == 1
    services.remove(service("web", "").key)
    services.remove(service("other", "").key)
    assert told("www.example.com") is None
    assert told("shop.example.com") is None
