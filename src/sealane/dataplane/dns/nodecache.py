"""NodeLocal DNSCache: the image `k8s-dns-node-cache`, a CoreDNS for the pods of one node. Pure.

The cache listens on a link-local address of the node, and as a rule on that of the kube-dns Service too, so that pods
of the node ask it without knowing; questions without a remembered answer go to the Service named by `-upstreamsvc`.
Source: https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/ and the flags of the node-cache program
(https://github.com/kubernetes/dns/tree/master/cmd/node-cache).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from sealane.dataplane.dns.mounted import flag
from sealane.kube.objects import Object, Raw
from sealane.network.addresses import CLUSTER_DOMAIN, DNS_SERVICE

IMAGE = "k8s-dns-node-cache"
LOCAL_ADDRESS = "169.254.20.10"
BASE_COREFILE = "/etc/coredns/Corefile.base"
BASE_FLAGS = ("-basecorefile", "--basecorefile")
UPSTREAM_SERVICE = "kube-dns"
METRICS_PORT = 9253

AddressOf = Callable[[str], str]
"""The cluster IP of a Service of kube-system, "" when there is none."""


@dataclass(frozen=True, slots=True)
class NodeCache:
    """addresses: what it listens on, the link-local one first. upstream: the Service that it asks, in kube-system."""

    addresses: tuple[str, ...]
    upstream: str = UPSTREAM_SERVICE

    def edited(self, corefile: str, address_of: AddressOf) -> str:
        """A Corefile with what it writes for the placeholders of the documented manifest."""
        server = next((one for one in self.addresses if one == str(DNS_SERVICE[0])), "")
        values = {
            "__PILLAR__LOCAL__DNS__": self.addresses[0],
            "__PILLAR__DNS__SERVER__": server,
            "__PILLAR__DNS__DOMAIN__": CLUSTER_DOMAIN,
            "__PILLAR__CLUSTER__DNS__": address_of(self.upstream) or str(DNS_SERVICE[0]),
            "__PILLAR__UPSTREAM__SERVERS__": "/etc/resolv.conf",
        }
        for placeholder, value in values.items():
            corefile = corefile.replace(placeholder, value)
        return corefile

    def corefile(self) -> str:
        """For a container without one: the cluster's zones of the upstream Service, all else as the node asks."""

        def block(zone: str, to: str, health: str = "") -> str:
            return (
                f"{zone}:53 {{\n errors\n cache {{\n  success 9984 30\n  denial 9984 5\n }}\n reload\n loop\n"
                f" bind {' '.join(self.addresses)}\n forward . {to}\n prometheus :{METRICS_PORT}\n{health}}}\n"
            )

        cluster = "__PILLAR__CLUSTER__DNS__ {\n  force_tcp\n }"
        health = f" health {self.addresses[0]}:8080\n"
        zones = block(CLUSTER_DOMAIN, cluster, health) + block("in-addr.arpa", cluster) + block("ip6.arpa", cluster)
        return zones + block(".", "__PILLAR__UPSTREAM__SERVERS__")


def node_cache(pod: Object, container: str) -> NodeCache | None:
    """The configuration of a container of that image by its flags; None for another image."""
    raw = next((one for one in pod.spec.get("containers") or () if one["name"] == container), None)
    if raw is None or short_name(raw) != IMAGE:
        return None
    given = flag(raw, ("-localip", "--localip")) or LOCAL_ADDRESS
    addresses = tuple(str(ip_address(word)) for word in _words(given))
    return NodeCache(addresses, flag(raw, ("-upstreamsvc", "--upstreamsvc")) or UPSTREAM_SERVICE)


def short_name(container: Raw) -> str:
    """ "registry.k8s.io/dns/k8s-dns-node-cache:1.22.20" → "k8s-dns-node-cache"."""
    image: str = container.get("image") or ""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _words(text: str) -> Iterable[str]:
    for word in text.split(","):
        word = word.strip()
        if word.startswith("__PILLAR__LOCAL"):
            word = LOCAL_ADDRESS
        elif word.startswith("__PILLAR__DNS__SERVER"):
            word = str(DNS_SERVICE[0])
        if word:
            yield word
