"""Annotations that clouds read on Services, and what each means on one machine. Data; the rules are in `annotations`.

Names and meanings: https://kubernetes.io/docs/reference/labels-annotations-taints/, and the references of the AWS Load
Balancer Controller, cloud-provider-aws, cloud-provider-azure, GKE and ExternalDNS for annotations of Services.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Outcome = Literal["honoured", "no meaning here", "not honoured"]
"""no meaning here: nothing on one machine could differ by it. not honoured: something would."""

AWS = "service.beta.kubernetes.io/aws-load-balancer-"
AZURE = "service.beta.kubernetes.io/azure-"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
EXTERNAL_DNS = "external-dns.alpha.kubernetes.io/"


class Annotation(msgspec.Struct, frozen=True):
    """An annotation: its effect in a cloud, and its effect here."""

    cloud: str
    asks: str
    outcome: Outcome
    here: str


_INTERNAL = "an address of the internal pool, which only the cluster's nodes and pods reach"
_BALANCER = "the nodes are the load balancer"
_NETWORK = "there is one underlay network"
_CHECKS = "a node's health is that of healthCheckNodePort, known at once"
_GATEWAY = "use HTTPRoute filters and timeouts"
_RANGES = "as spec.loadBalancerSourceRanges, if that is empty"
_ENCRYPTED = "TLS ends at the load balancer, which then connects to node ports (ipMode Proxy)"
_IDLE = "connections do not end by idleness"
_ADDRESS = "as spec.loadBalancerIP, where it is in the pool"
_NAME = "a name that the cluster's DNS answers with the load balancer's addresses, or those of the nodes (NodePort)"


def _aws(name: str, asks: str, outcome: Outcome, here: str) -> tuple[str, Annotation]:
    return f"{AWS}{name}", Annotation("AWS", asks, outcome, here)


def _azure(name: str, asks: str, outcome: Outcome, here: str) -> tuple[str, Annotation]:
    return f"{AZURE}{name}", Annotation("Azure", asks, outcome, here)


def _gcp(name: str, asks: str, outcome: Outcome, here: str) -> tuple[str, Annotation]:
    return name, Annotation("GCP", asks, outcome, here)


TABLE: Mapping[str, Annotation] = dict(
    [
        (
            SOURCE_RANGES,
            Annotation("all", "who may connect", "honoured", _RANGES),
        ),
        _aws("scheme", "internal or internet-facing", "honoured", _INTERNAL),
        _aws("internal", "an internal address", "honoured", _INTERNAL),
        _aws(
            "ssl-cert",
            "TLS with the certificate of an ARN",
            "honoured",
            f"{_ENCRYPTED}, with the Secret that is named, or that has the last part of the ARN as its name; "
            "without one with a certificate of the cluster's own CA",
        ),
        _aws("ssl-ports", "on which ports TLS ends", "honoured", "names or numbers, or *; all without it"),
        _aws(
            "backend-protocol",
            "the protocol spoken to pods",
            "honoured",
            "ssl and https: TLS to the pod, unverified; http and https: X-Forwarded-For, -Proto and -Port are added",
        ),
        _aws(
            "proxy-protocol",
            "the client's address in a PROXY header",
            "honoured",
            "version 2 where the type is nlb, nlb-ip or external, else version 1 (ipMode Proxy)",
        ),
        _aws("private-ipv4-addresses", "the internal address", "honoured", _ADDRESS),
        _aws(
            "target-group-attributes",
            "attributes of targets",
            "honoured",
            "proxy_protocol_v2.enabled as proxy-protocol; the others have no effect",
        ),
        _aws("ssl-negotiation-policy", "versions and ciphers of TLS", "not honoured", "TLS 1.2 and 1.3 are spoken"),
        _aws("type", "the kind of load balancer", "no meaning here", _BALANCER),
        _aws("nlb-target-type", "targets by instance or ip", "no meaning here", _BALANCER),
        _aws("name", "the load balancer's name", "no meaning here", _BALANCER),
        _aws("subnets", "the subnets it is in", "no meaning here", _NETWORK),
        _aws("eip-allocations", "its public addresses", "no meaning here", "use spec.loadBalancerIP"),
        _aws("ip-address-type", "ipv4 or dualstack", "not honoured", "use spec.ipFamilyPolicy"),
        _aws("security-groups", "firewalls before it", "not honoured", "use spec.loadBalancerSourceRanges"),
        _aws("extra-security-groups", "firewalls before it", "not honoured", "use spec.loadBalancerSourceRanges"),
        _aws("manage-backend-security-group-rules", "firewalls of nodes", "no meaning here", "nodes have none"),
        _aws("attributes", "attributes of the load balancer", "not honoured", _BALANCER),
        _aws("additional-resource-tags", "tags", "no meaning here", _BALANCER),
        _aws("access-log-enabled", "access logs in S3", "not honoured", "stand-ins log each request"),
        _aws("access-log-s3-bucket-name", "where access logs go", "not honoured", "stand-ins log each request"),
        _aws("access-log-s3-bucket-prefix", "where access logs go", "not honoured", "stand-ins log each request"),
        _aws("access-log-emit-interval", "how often logs are written", "not honoured", "stand-ins log at once"),
        _aws("connection-draining-enabled", "draining of connections", "no meaning here", "connections stay"),
        _aws("connection-draining-timeout", "draining of connections", "no meaning here", "connections stay"),
        _aws("connection-idle-timeout", "seconds until an idle connection ends", "not honoured", _IDLE),
        _aws(
            "cross-zone-load-balancing-enabled",
            "spread over all zones",
            "no meaning here",
            "every node spreads over all endpoints anyway",
        ),
        _aws("target-node-labels", "the nodes it sends to", "not honoured", "use externalTrafficPolicy: Local"),
        *(
            _aws(f"healthcheck-{name}", "how targets are checked", "no meaning here", _CHECKS)
            for name in (
                "healthy-threshold",
                "unhealthy-threshold",
                "interval",
                "timeout",
                "path",
                "port",
                "protocol",
                "success-codes",
            )
        ),
        _azure("load-balancer-internal", "an internal address", "honoured", _INTERNAL),
        _azure("load-balancer-ipv4", "the address", "honoured", _ADDRESS),
        _azure("load-balancer-ipv6", "the IPv6 address", "honoured", _ADDRESS),
        _azure("allowed-ip-ranges", "who may connect", "honoured", _RANGES),
        _azure("dns-label-name", "a public DNS name", "honoured", f"LABEL.cloudapp.azure.com, {_NAME}"),
        _azure("load-balancer-internal-subnet", "the subnet of the address", "no meaning here", "one internal pool"),
        _azure("load-balancer-mode", "the availability set", "no meaning here", _BALANCER),
        _azure("load-balancer-resource-group", "the resource group of the address", "no meaning here", _BALANCER),
        _azure("pip-name", "the name of the public address", "no meaning here", "use spec.loadBalancerIP"),
        _azure("pip-prefix-id", "the range of the public address", "no meaning here", "there is one pool"),
        _azure("pip-tags", "tags", "no meaning here", _BALANCER),
        _azure("pip-ip-tags", "tags", "no meaning here", _BALANCER),
        _azure("shared-securityrule", "how firewalls are written", "no meaning here", "there are none"),
        _azure("allowed-service-tags", "who may connect, by Azure's names", "not honoured", "use source ranges"),
        _azure("disable-load-balancer-floating-ip", "whether nodes see its address", "not honoured", "they do"),
        _azure("load-balancer-disable-tcp-reset", "no reset when a connection idles out", "no meaning here", _IDLE),
        _azure("load-balancer-tcp-idle-timeout", "minutes until an idle connection ends", "not honoured", _IDLE),
        _azure("load-balancer-enable-high-availability-ports", "all ports", "not honoured", "name the ports"),
        *(
            _azure(f"load-balancer-health-probe-{name}", "how nodes are checked", "no meaning here", _CHECKS)
            for name in ("protocol", "interval", "num-of-probe", "request-path")
        ),
        _azure("pls-create", "a private link", "no meaning here", _NETWORK),
        _gcp("networking.gke.io/load-balancer-type", "Internal or External", "honoured", _INTERNAL),
        _gcp("cloud.google.com/load-balancer-type", "Internal or External", "honoured", _INTERNAL),
        _gcp(
            "networking.gke.io/internal-load-balancer-allow-global-access",
            "reach from other regions",
            "no meaning here",
            "there is one region",
        ),
        _gcp("networking.gke.io/internal-load-balancer-subnet", "its subnet", "no meaning here", _NETWORK),
        _gcp("networking.gke.io/load-balancer-ip-addresses", "named addresses", "not honoured", "use loadBalancerIP"),
        _gcp("cloud.google.com/network-tier", "Premium or Standard", "no meaning here", _NETWORK),
        _gcp("cloud.google.com/l4-rbs", "targets by node or pod", "no meaning here", _BALANCER),
        _gcp("cloud.google.com/neg", "endpoints by pod", "no meaning here", "endpoints are pods anyway"),
        _gcp("cloud.google.com/backend-config", "settings of an Ingress's backend", "not honoured", _GATEWAY),
        _gcp("cloud.google.com/app-protocols", "the protocol spoken to pods", "not honoured", "use appProtocol"),
        (f"{EXTERNAL_DNS}hostname", Annotation("ExternalDNS", "DNS names", "honoured", _NAME)),
        (f"{EXTERNAL_DNS}ttl", Annotation("ExternalDNS", "how long answers hold", "not honoured", "30 seconds")),
        (f"{EXTERNAL_DNS}target", Annotation("ExternalDNS", "other addresses", "not honoured", "those of the status")),
    ]
)
