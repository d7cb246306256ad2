"""Objects that every cluster begins with: namespaces, the `kubernetes` and `kube-dns` Services, classes.

Names and labels are those of a kubeadm cluster, because manifests in the wild select on them (for example
`kubernetes.io/metadata.name: kube-system` with `k8s-app: kube-dns` in egress policies).
"""

from __future__ import annotations

from typing import Any

from sealane.apiserver.addresses.ranges import default_cidr
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw
from sealane.network.addresses import (
    API,
    API_PORT,
    CLUSTER_DOMAIN,
    DNS_SERVICE,
    KUBERNETES_SERVICE,
    MAX_NODES,
    node_name,
)

GATEWAY_CONTROLLER = "sealane.dev/gateway-controller"
INGRESS_CONTROLLER = "sealane.dev/ingress-controller"

COREFILE = f""".:53 {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}}
"""


async def bootstrap(client: Client, nodes: int, dns_replicas: int = 2) -> None:
    """Creates what is missing; leaves alone what is there, but for nodes (beyond `nodes`) that are no more."""
    if await forget_nodes(client, nodes):
        await _fewer_dns(client, dns_replicas)
    for kind, raw in objects(dns_replicas):
        try:
            await client.create(kind, raw)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise


async def forget_nodes(client: Client, nodes: int) -> bool:
    """Deletes the Nodes that a kept cluster had beyond `nodes`, and the pods bound to them; whether there were any.

    As kubectl delete node, and then the pod garbage collector of kube-controller-manager, which deletes pods whose
    node is gone at once ("orphaned pods", Kubernetes docs, Pod Lifecycle).
    """
    there = {node.name for node in (await client.list(kinds.NODE)).items}
    left = [name for index in range(nodes + 1, MAX_NODES + 1) if (name := node_name(index)) in there]
    if not left:
        return False
    for pod in (await client.list(kinds.POD)).items:
        if pod.spec.get("nodeName") in left:
            await client.delete(kinds.POD, pod.namespace, pod.name, grace_seconds=0)
    for name in left:
        await client.delete(kinds.NODE, "", name)
    return True


async def _fewer_dns(client: Client, replicas: int) -> None:
    """The DNS servers want a node each: no more of them than there are nodes."""
    try:
        deployment = await client.get(kinds.DEPLOYMENT, "kube-system", "coredns")
    except ApiError:
        return
    if deployment.spec.get("replicas", 1) > replicas:
        await client.patch(kinds.DEPLOYMENT, "kube-system", "coredns", {"spec": {"replicas": replicas}}, type="merge")


def objects(dns_replicas: int) -> list[tuple[Kind, Raw]]:
    """The bootstrap objects in the order in which they can be created."""
    made = [(kinds.NAMESPACE, _object(kinds.NAMESPACE, name, "")) for name in NAMESPACES]
    made += [
        (kinds.SERVICECIDR, default_cidr()),
        (kinds.SERVICE, _kubernetes_service()),
        (kinds.ENDPOINTSLICE, _kubernetes_slice()),
        (kinds.ENDPOINTS, _kubernetes_endpoints()),
        (kinds.CONFIGMAP, _object(kinds.CONFIGMAP, "coredns", "kube-system", data={"Corefile": COREFILE})),
        *_dns_account(),
        (kinds.SERVICE, _dns_service()),
        (kinds.DEPLOYMENT, _dns_deployment(dns_replicas)),
        (kinds.GATEWAYCLASS, _object(kinds.GATEWAYCLASS, "sealane", "", spec={"controllerName": GATEWAY_CONTROLLER})),
        (
            kinds.INGRESSCLASS,
            _object(
                kinds.INGRESSCLASS,
                "sealane",
                "",
                annotations={"ingressclass.kubernetes.io/is-default-class": "true"},
                spec={"controller": INGRESS_CONTROLLER},
            ),
        ),
    ]
    return made


NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease", "sealane-system")


def _object(
    kind: Kind,
    name: str,
    namespace: str,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **fields: Any,
) -> Raw:
    metadata: Raw = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


def _kubernetes_service() -> Raw:
    return _object(
        kinds.SERVICE,
        "kubernetes",
        "default",
        labels={"component": "apiserver", "provider": "kubernetes"},
        spec={
            "type": "ClusterIP",
            "clusterIP": str(KUBERNETES_SERVICE),
            "clusterIPs": [str(KUBERNETES_SERVICE)],
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": API_PORT}],
        },
    )


def _kubernetes_slice() -> Raw:
    return _object(
        kinds.ENDPOINTSLICE,
        "kubernetes",
        "default",
        labels={"kubernetes.io/service-name": "kubernetes"},
        addressType="IPv4",
        endpoints=[{"addresses": [str(API[0])], "conditions": {"ready": True}}],
        ports=[{"name": "https", "port": API_PORT, "protocol": "TCP"}],
    )


def _kubernetes_endpoints() -> Raw:
    return _object(
        kinds.ENDPOINTS,
        "kubernetes",
        "default",
        labels={"endpointslice.kubernetes.io/skip-mirror": "true"},
        subsets=[
            {
                "addresses": [{"ip": str(API[0])}],
                "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
            }
        ],
    )


_DNS_LABELS = {"k8s-app": "kube-dns"}


def _dns_account() -> list[tuple[Kind, Raw]]:
    """The ServiceAccount of CoreDNS and its rights to read, as kubeadm makes them."""
    core = {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    role = {"apiGroup": kinds.CLUSTERROLE.group, "kind": kinds.CLUSTERROLE.kind, "name": "system:coredns"}
    subject = {"kind": kinds.SERVICEACCOUNT.kind, "name": "coredns", "namespace": "kube-system"}
    return [
        (kinds.SERVICEACCOUNT, _object(kinds.SERVICEACCOUNT, "coredns", "kube-system")),
        (kinds.CLUSTERROLE, _object(kinds.CLUSTERROLE, "system:coredns", "", rules=[core, slices])),
        (
            kinds.CLUSTERROLEBINDING,
            _object(kinds.CLUSTERROLEBINDING, "system:coredns", "", roleRef=role, subjects=[subject]),
        ),
    ]


def _dns_service() -> Raw:
    return _object(
        kinds.SERVICE,
        "kube-dns",
        "kube-system",
        labels={**_DNS_LABELS, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        spec={
            "selector": _DNS_LABELS,
            "clusterIP": str(DNS_SERVICE[0]),
            "clusterIPs": [str(DNS_SERVICE[0]), str(DNS_SERVICE[1])],
            "ipFamilyPolicy": "PreferDualStack",
            "ipFamilies": ["IPv4", "IPv6"],
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    )


def _dns_deployment(replicas: int) -> Raw:
    return _object(
        kinds.DEPLOYMENT,
        "coredns",
        "kube-system",
        labels=_DNS_LABELS,
        spec={
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": _DNS_LABELS},
            "template": {
                "metadata": {"labels": _DNS_LABELS},
                "spec": {
                    # One node can go without a lost answer.
                    "affinity": {
                        "podAntiAffinity": {
                            "requiredDuringSchedulingIgnoredDuringExecution": [
                                {"labelSelector": {"matchLabels": _DNS_LABELS}, "topologyKey": "kubernetes.io/hostname"}
                            ]
                        }
                    },
                    "containers": [
                        {
                            "name": "coredns",
                            "image": "registry.k8s.io/coredns/coredns:v1.14.0",
                            "args": ["-conf", "/etc/coredns/Corefile"],
                            "ports": [
                                {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                                {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
                                {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
                            ],
                            # No readiness probe: questions wait in the sockets until they can be answered, so none is
                            # lost by sending them there at once.
                            "livenessProbe": {
                                "httpGet": {"path": "/health", "port": 8080},
                                "initialDelaySeconds": 60,
                                "timeoutSeconds": 5,
                                "failureThreshold": 5,
                            },
                            "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
                        }
                    ],
                    "volumes": [
                        {
                            "name": "config-volume",
                            "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]},
                        }
                    ],
                    "dnsPolicy": "Default",
                    "serviceAccountName": "coredns",
                },
            },
        },
    )
