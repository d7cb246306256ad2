"""Services, EndpointSlices and Namespaces as DNS records.

Source: the Kubernetes DNS specification 1.1.0, sections 2.3 (cluster IP), 2.4 (headless) and 2.5 (external name); where
it leaves a choice (endpoints without a hostname, weights of SRV records) this follows CoreDNS' `kubernetes` plugin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

from sealane.kube.objects import Key
from sealane.kube.selectors import LabelSelector
from sealane.network.addresses import CLUSTER_DOMAIN
from sealane.network.pods import addresses
from sealane.network.services.endpoints import conditions, is_ready, slice_service
from sealane.reactive.collections import Collection, Fetch, derive

if TYPE_CHECKING:
    from sealane.kube.shapes import EndpointSlice, Namespace, Pod, Service
    from sealane.kube.shapes.core_v1 import ServiceSpec

RecordType = Literal["A", "AAAA", "CNAME", "PTR", "SRV", "TXT", "NS", "SOA"]

TTL = 5
"""Seconds. CoreDNS' own default."""


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """One resource record.

    name: lower case, without the final dot.
    data: as a zone file writes it ("10.96.0.1", "0 100 80 web.shop.svc.cluster.local.").
    """

    name: str
    type: RecordType
    data: str
    ttl: int = TTL

    def __str__(self) -> str:
        return f"{self.name}. {self.ttl} IN {self.type} {self.data}"


@dataclass(frozen=True, slots=True)
class ZoneData:
    """The records that one object adds to the zone. empty: names that exist without a record (RFC 8020)."""

    records: tuple[Record, ...] = ()
    empty: tuple[str, ...] = ()


def records_of_service(
    service: Service, slices: Iterable[EndpointSlice], domain: str = CLUSTER_DOMAIN, pod_names: bool = False
) -> ZoneData:
    """All records of one Service, sorted. `slices` are the EndpointSlices that belong to it.

    Endpoints have names and PTR records under every Service; the Service's own name stands for them only when it is
    headless. pod_names: an endpoint without a hostname is named after its pod, not its address.
    """
    spec = service.spec
    name = f"{service.name}.{service.namespace}.svc.{domain}".lower()
    found: set[Record]
    if spec.get("type") == "ExternalName":
        found = _external_name(name, spec)
    else:
        headless = spec.get("clusterIP") == "None"
        found = set() if headless else _cluster_ip(name, spec)
        found |= _endpoints(name, slices, bool(spec.get("publishNotReadyAddresses")), pod_names, headless)
    return ZoneData(tuple(sorted(found)))


def records_of_namespace(namespace: Namespace, domain: str = CLUSTER_DOMAIN) -> ZoneData:
    """A namespace's names exist also while it has no Service, so asking for them is no NXDOMAIN."""
    return ZoneData(empty=(f"{namespace.name}.svc.{domain}", f"{namespace.name}.pod.{domain}"))


def records_of_pod(pod: Pod, domain: str = CLUSTER_DOMAIN) -> ZoneData:
    """The dashed names of a pod that lives, for `pods verified`. Source: https://coredns.io/plugins/kubernetes/."""
    if pod.deleting or pod.status.get("phase") == "Unknown":
        return ZoneData()
    names = {address: f"{dashed(address)}.{pod.namespace}.pod.{domain}".lower() for address in addresses(pod)}
    return ZoneData(tuple(sorted(address_record(name, address) for address, name in names.items())))


def pod_names(
    pods: Collection[Key, Pod], domain: str = CLUSTER_DOMAIN, *, only: AbstractSet[str] | None = None
) -> Collection[Key, ZoneData]:
    """Derived zone data of every pod. only: the namespaces that have names, None for all."""

    def of_pod(key: Key, pod: Pod, fetch: Fetch) -> ZoneData | None:
        return records_of_pod(pod, domain) if only is None or key.namespace in only else None

    return derive("pod names", pods, of_pod)


def cluster_names(
    services: Collection[Key, Service],
    slices: Collection[Key, EndpointSlice],
    namespaces: Collection[Key, Namespace],
    domain: str = CLUSTER_DOMAIN,
    *,
    only: AbstractSet[str] | None = None,
    labels: LabelSelector | None = None,
    namespace_labels: LabelSelector | None = None,
    endpoints: bool = True,
    pod_names: bool = False,
    empty: bool = True,
) -> tuple[Collection[Key, ZoneData], Collection[Key, ZoneData]]:
    """Derived zone data of every Service and of every Namespace.

    only: the namespaces that have names, None for all; labels: of the Services that have. namespace_labels: of the
    namespaces whose Services have. endpoints: False leaves headless Services without records. empty: whether a
    ClusterIP Service without a ready endpoint has a name.
    Source: https://coredns.io/plugins/kubernetes/ (`namespaces`, `labels`, `namespace_labels`, `noendpoints`,
    `endpoint_pod_names`, `ignore empty_service`).
    """

    def shown(namespace: str, fetch: Fetch) -> bool:
        if only is not None and namespace not in only:
            return False
        if namespace_labels is None:
            return True
        found = fetch.get(namespaces, Key("", "Namespace", "", namespace))
        return found is not None and namespace_labels.matches(found.labels)

    def of_service(key: Key, service: Service, fetch: Fetch) -> ZoneData | None:
        if (labels is not None and not labels.matches(service.labels)) or not shown(key.namespace, fetch):
            return None
        owned: Sequence[EndpointSlice] = ()
        if service.spec.get("type") != "ExternalName" and endpoints:
            owned = fetch(slices, index=slice_service, value=(key.namespace, key.name))
        headless = service.spec.get("clusterIP") == "None"
        if not empty and not headless and service.spec.get("type") != "ExternalName" and not is_ready(owned):
            return None
        return records_of_service(service, owned, domain, pod_names)

    def of_namespace(key: Key, namespace: Namespace, fetch: Fetch) -> ZoneData | None:
        return records_of_namespace(namespace, domain) if shown(key.name, fetch) else None

    return derive("service records", services, of_service), derive("namespace names", namespaces, of_namespace)


class ClusterNames:
    """The names of one cluster's Services and namespaces, made once for each set of options that is asked for."""

    def __init__(
        self,
        services: Collection[Key, Service],
        slices: Collection[Key, EndpointSlice],
        namespaces: Collection[Key, Namespace],
    ) -> None:
        self.of = cache(partial(cluster_names, services, slices, namespaces))


class PodNames:
    """The names of one cluster's pods, made once for each set of options that is asked for."""

    def __init__(self, pods: Collection[Key, Pod]) -> None:
        self.of = cache(partial(pod_names, pods))


def zone_apex(dns_addresses: Iterable[str], domain: str = CLUSTER_DOMAIN) -> ZoneData:
    """Records of the zone itself: its name server and the version of the specification (2.2)."""
    server = f"ns.dns.{domain}"
    records = {Record(domain, "NS", f"{server}."), Record(f"dns-version.{domain}", "TXT", '"1.1.0"')}
    records |= {address_record(server, address) for address in dns_addresses}
    return ZoneData(tuple(sorted(records)), (f"svc.{domain}", f"pod.{domain}"))


def start_of_authority(serial: int, domain: str = CLUSTER_DOMAIN, ttl: int = TTL) -> Record:
    """Its last number is how long, in seconds, a client may remember that something is not there (RFC 2308)."""
    return Record(domain, "SOA", f"ns.dns.{domain}. hostmaster.{domain}. {serial} 7200 1800 86400 {ttl}", ttl)


def address_record(name: str, address: str) -> Record:
    return Record(name, "AAAA" if ":" in address else "A", address)


def reverse_name(address: str) -> str:
    """ "1.0.96.10.in-addr.arpa" of "10.96.0.1"."""
    return ip_address(address).reverse_pointer


def _cluster_ip(name: str, spec: ServiceSpec) -> set[Record]:
    addresses = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    records: set[Record] = set()
    for address in addresses:
        records.add(address_record(name, address))
        records.add(Record(reverse_name(address), "PTR", f"{name}."))
    if addresses:
        records |= _srv(
            name,
            {
                (port.get("name") or "", port.get("protocol") or "TCP"): {(port["port"], name)}
                for port in spec.get("ports") or ()
            },
        )
    return records


def _endpoints(
    name: str, slices: Iterable[EndpointSlice], publish_not_ready: bool, pod_names: bool, headless: bool
) -> set[Record]:
    records: set[Record] = set()
    services: dict[tuple[str, str], set[tuple[int, str]]] = {}  # (port name, protocol) -> (port number, host)
    for endpoint_slice in slices:
        if endpoint_slice.raw.get("addressType") == "FQDN":
            continue
        ports = endpoint_slice.raw.get("ports") or ()
        for endpoint in endpoint_slice.raw.get("endpoints") or ():
            if not conditions(endpoint).ready and not publish_not_ready:
                continue
            named = (endpoint.get("targetRef") or {}).get("name") if pod_names else None
            for address in endpoint.get("addresses") or ():
                host = f"{endpoint.get('hostname') or named or dashed(address)}.{name}".lower()
                records.add(address_record(host, address))
                records.add(Record(reverse_name(address), "PTR", f"{host}."))
                if not headless:
                    continue
                records.add(address_record(name, address))
                for port in ports:
                    if port.get("port"):
                        targets = services.setdefault((port.get("name") or "", port.get("protocol") or "TCP"), set())
                        targets.add((port["port"], host))
    return records | _srv(name, services)


def _srv(name: str, ports: Mapping[tuple[str, str], AbstractSet[tuple[int, str]]]) -> set[Record]:
    """SRV records of named ports (2.3.2, 2.4.2), with equal weights. ports: by name and protocol, (number, host).

    A port without a name has none of its own. As with CoreDNS the Service's name itself answers with all ports.
    """
    records: set[Record] = set()

    def add(owner: str, targets: AbstractSet[tuple[int, str]]) -> None:
        weight = max(1, 100 // len(targets))
        records.update(Record(owner, "SRV", f"0 {weight} {port} {host}.") for port, host in targets)

    for (port_name, protocol), targets in ports.items():
        if port_name:
            add(f"_{port_name}._{protocol}.{name}".lower(), targets)
    every = {target for targets in ports.values() for target in targets}
    if every:
        add(name, every)
    return records


def _external_name(name: str, spec: ServiceSpec) -> set[Record]:
    """An address is no name of DNS: a Service that has one as its name is not resolved.

    Source: https://kubernetes.io/docs/concepts/services-networking/service/#externalname
    """
    target = str(spec.get("externalName") or "").rstrip(".").lower()
    try:
        ip_address(target)
    except ValueError:
        return {Record(name, "CNAME", f"{target}.")} if target else set()
    return set()


def dashed(address: str) -> str:
    """An address written as one label: "10-244-1-7", "fd00-10-244-1--7"."""
    return address.replace(".", "-").replace(":", "-")
