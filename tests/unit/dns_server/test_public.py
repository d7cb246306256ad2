"""Names that Services ask for outside the cluster's domain."""

from __future__ import annotations

from sealane.dataplane.dns.public import PublicNames
from sealane.kube.kinds import NODE, SERVICE
from sealane.kube.objects import Object
from sealane.reactive.objects import Objects


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


def test_names_come_change_and_go() -> None:
    objects = Objects.of([])
    names = PublicNames(objects)
    services = objects[SERVICE]

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
    assert NODE not in objects  # followed once a name needs them
    put(Object({**ports.raw, "spec": {"type": "NodePort"}}))
    assert NODE in objects
    objects[NODE].set(Object(node).key, Object(node))
    assert told("ports.example.com") == [("A", "172.18.1.1")]
    services.remove(service("web", "").key)
    services.remove(service("other", "").key)
    assert told("www.example.com") is None
    assert told("shop.example.com") is None
