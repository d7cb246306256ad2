"""Annotations that clouds read on Services: which are honoured on one machine, and what the rest means here.

Names and meanings: https://kubernetes.io/docs/concepts/services-networking/service/#internal-load-balancer, the AWS
Load Balancer Controller's, cloud-provider-azure's and GKE's references for Service annotations. Nothing is silently
ignored: what is recognised and not honoured is said in an Event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal

from sealane.kube.objects import Object

Outcome = Literal["honoured", "no meaning here", "not honoured"]
"""no meaning here: nothing on one machine could differ by it. not honoured: something would."""

AWS = "service.beta.kubernetes.io/aws-load-balancer-"
AZURE = "service.beta.kubernetes.io/azure-"
EXTERNAL_DNS = "external-dns.alpha.kubernetes.io/"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a cloud does with it, and what happens here."""

    cloud: str
    asks: str
    outcome: Outcome
    here: str


_INTERNAL = "an address of the internal pool, which only the cluster's nodes and pods reach"
_BALANCER = "the nodes are the load balancer"
_NAMES = "the cluster's DNS holds cluster names only"
_TLS = "TLS ends at a Gateway or Ingress, not at a Service; use a Gateway with a Secret"

TABLE: Mapping[str, Annotation] = {
    SOURCE_RANGES: Annotation(
        "all", "who may connect", "honoured", "as spec.loadBalancerSourceRanges, if that is empty"
    ),
    f"{AWS}scheme": Annotation("AWS", "internal or internet-facing", "honoured", _INTERNAL),
    f"{AWS}internal": Annotation("AWS", "an internal address", "honoured", _INTERNAL),
    f"{AWS}type": Annotation("AWS", "the kind of load balancer", "no meaning here", _BALANCER),
    f"{AWS}nlb-target-type": Annotation("AWS", "targets by instance or ip", "no meaning here", _BALANCER),
    f"{AWS}name": Annotation("AWS", "the load balancer's name", "no meaning here", _BALANCER),
    f"{AWS}subnets": Annotation("AWS", "the subnets it is in", "no meaning here", "there is one underlay network"),
    f"{AWS}cross-zone-load-balancing-enabled": Annotation(
        "AWS", "spread over all zones", "no meaning here", "every node spreads over all endpoints anyway"
    ),
    f"{AWS}additional-resource-tags": Annotation("AWS", "tags", "no meaning here", _BALANCER),
    f"{AWS}ssl-cert": Annotation("AWS", "TLS with the certificate of an ARN", "not honoured", _TLS),
    f"{AWS}ssl-ports": Annotation("AWS", "on which ports TLS ends", "not honoured", _TLS),
    f"{AWS}backend-protocol": Annotation(
        "AWS", "the protocol spoken to pods", "not honoured", "bytes are passed on as they come"
    ),
    f"{AWS}proxy-protocol": Annotation(
        "AWS", "the client's address in a PROXY header", "not honoured", "use externalTrafficPolicy: Local"
    ),
    f"{AZURE}load-balancer-internal": Annotation("Azure", "an internal address", "honoured", _INTERNAL),
    f"{AZURE}load-balancer-internal-subnet": Annotation(
        "Azure", "the subnet of the internal address", "no meaning here", "there is one internal pool"
    ),
    f"{AZURE}dns-label-name": Annotation("Azure", "a public DNS name", "not honoured", _NAMES),
    f"{AZURE}load-balancer-resource-group": Annotation(
        "Azure", "the resource group of the address", "no meaning here", _BALANCER
    ),
    f"{AZURE}load-balancer-tcp-idle-timeout": Annotation(
        "Azure", "minutes after which an idle connection ends", "not honoured", "connections do not end by idleness"
    ),
    "networking.gke.io/load-balancer-type": Annotation("GCP", "Internal or External", "honoured", _INTERNAL),
    "cloud.google.com/load-balancer-type": Annotation("GCP", "Internal or External", "honoured", _INTERNAL),
    "networking.gke.io/internal-load-balancer-allow-global-access": Annotation(
        "GCP", "reach from other regions", "no meaning here", "there is one region"
    ),
    "cloud.google.com/neg": Annotation("GCP", "endpoints by pod", "no meaning here", "endpoints are pods anyway"),
    "cloud.google.com/backend-config": Annotation(
        "GCP", "settings of an Ingress's backend", "not honoured", "use HTTPRoute filters and timeouts"
    ),
    "cloud.google.com/app-protocols": Annotation(
        "GCP", "the protocol spoken to pods", "not honoured", "use appProtocol of the port"
    ),
    f"{EXTERNAL_DNS}hostname": Annotation("ExternalDNS", "a public DNS name", "not honoured", _NAMES),
    f"{EXTERNAL_DNS}ttl": Annotation("ExternalDNS", "how long its answers live", "not honoured", _NAMES),
    f"{EXTERNAL_DNS}target": Annotation("ExternalDNS", "what it points to", "not honoured", _NAMES),
}

_INTERNAL_VALUES: Mapping[str, tuple[str, ...]] = {
    f"{AWS}scheme": ("internal",),
    f"{AWS}internal": ("true", "0.0.0.0/0"),
    f"{AZURE}load-balancer-internal": ("true",),
    "networking.gke.io/load-balancer-type": ("internal",),
    "cloud.google.com/load-balancer-type": ("internal",),
}
_FAMILIES = (AWS, f"{AZURE}load-balancer-")


def wants_internal(service: Object) -> bool:
    """Does a Service ask for an address that is not reached from outside?"""
    given = service.annotations
    return any(str(given.get(name, "")).lower() in values for name, values in _INTERNAL_VALUES.items())


def annotated_ranges(service: Object) -> list[str]:
    """The source ranges of the annotation; those that are none are left out."""
    found = []
    for text in service.annotations.get(SOURCE_RANGES, "").split(","):
        try:
            found.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            continue
    return found


def unhonoured(service: Object) -> tuple[str, ...]:
    """A sentence for each annotation that is recognised and has no effect here."""
    found = []
    for name in sorted(service.annotations):
        known = TABLE.get(name)
        if known is not None and known.outcome != "honoured":
            verb = "has" if known.outcome == "no meaning here" else "is"
            found.append(f"{name} ({known.cloud}: {known.asks}) {verb} {known.outcome}: {known.here}")
        elif known is None and name.startswith(_FAMILIES):
            found.append(f"{name} is not known")
    return tuple(found)


def as_markdown() -> str:
    """docs/annotations.md."""
    lines = [
        "# Cloud annotations on Services",
        "",
        "Made from the table in `sealane/network/services/annotations.py`. What is recognised but not honoured is",
        "said in an Event of the Service (`kubectl describe service`).",
        "",
        "| annotation | cloud | asks for | here | how |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {each.cloud} | {each.asks} | {each.outcome} | {each.here} |" for name, each in TABLE.items()
    ]
    return "\n".join(lines) + "\n"
