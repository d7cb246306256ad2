"""NetworkPolicy, Ingress, IngressClass: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/"""

from __future__ import annotations

from sealane.kube.views.base import ObjectMeta, Selector, View
from sealane.kube.views.services import LoadBalancerStatus


class NetworkPolicyPort(View):
    """port None: all ports. end_port makes a range port–end_port, both included."""

    protocol: str = "TCP"
    port: int | str | None = None
    end_port: int | None = None


class IPBlock(View):
    cidr: str = ""
    except_: tuple[str, ...] = ()


class NetworkPolicyPeer(View):
    """None is "not given"; an empty Selector selects everything."""

    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    ip_block: IPBlock | None = None


class IngressRule(View):
    """Of a NetworkPolicy. Empty `from_` or `ports`: not restricted."""

    from_: tuple[NetworkPolicyPeer, ...] = ()
    ports: tuple[NetworkPolicyPort, ...] = ()


class EgressRule(View):
    to: tuple[NetworkPolicyPeer, ...] = ()
    ports: tuple[NetworkPolicyPort, ...] = ()


class NetworkPolicySpec(View):
    """policy_types as written; when empty, Ingress always and Egress when there are egress rules."""

    pod_selector: Selector = Selector()
    policy_types: tuple[str, ...] = ()
    ingress: tuple[IngressRule, ...] = ()
    egress: tuple[EgressRule, ...] = ()


class NetworkPolicy(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: NetworkPolicySpec = NetworkPolicySpec()


class ServiceBackendPort(View):
    """One of the two is set."""

    name: str = ""
    number: int = 0


class IngressServiceBackend(View):
    name: str = ""
    port: ServiceBackendPort = ServiceBackendPort()


class TypedReference(View):
    """core/v1 TypedLocalObjectReference, and IngressClass parameters."""

    api_group: str | None = None
    kind: str = ""
    name: str = ""
    namespace: str | None = None
    scope: str | None = None


class IngressBackend(View):
    service: IngressServiceBackend | None = None
    resource: TypedReference | None = None


class IngressPath(View):
    path: str = ""
    path_type: str = ""
    backend: IngressBackend = IngressBackend()


class IngressHTTP(View):
    paths: tuple[IngressPath, ...] = ()


class IngressHostRule(View):
    """networking/v1 IngressRule, under a name of its own because NetworkPolicy has ingress rules too."""

    host: str = ""
    http: IngressHTTP | None = None


class IngressTLS(View):
    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(View):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    rules: tuple[IngressHostRule, ...] = ()
    tls: tuple[IngressTLS, ...] = ()


class IngressStatus(View):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Ingress(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: IngressSpec = IngressSpec()
    status: IngressStatus = IngressStatus()


class IngressClassSpec(View):
    controller: str = ""
    parameters: TypedReference | None = None


class IngressClass(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: IngressClassSpec = IngressClassSpec()
