"""Typed readings of objects: `obj.view(Service).spec.ports[0].port`.

Names are the API's in snake case ("pod_ips" reads podIPs; "from_" reads from). Every field has the API's default or an
empty one, so a view of a bare file and a view of a defaulted object read alike. Lists are tuples. Unknown fields are
ignored: what may stand in an object is for `kube.validation` to say.
"""

from sealane.kube.views.base import Condition, ObjectMeta, ObjectReference, OwnerReference, Selector, View
from sealane.kube.views.cluster import ConfigMap, Namespace, Node, Secret
from sealane.kube.views.gateways import Gateway, GatewayClass, HTTPRoute, ReferenceGrant
from sealane.kube.views.networking import Ingress, IngressClass, NetworkPolicy
from sealane.kube.views.pods import Container, Pod, PodSpec, PodTemplate, Probe
from sealane.kube.views.services import Endpoint, EndpointPort, Endpoints, EndpointSlice, Service, ServicePort
from sealane.kube.views.workloads import DaemonSet, Deployment, ReplicaSet, StatefulSet

__all__ = [
    "Condition",
    "ConfigMap",
    "Container",
    "DaemonSet",
    "Deployment",
    "Endpoint",
    "EndpointPort",
    "EndpointSlice",
    "Endpoints",
    "Gateway",
    "GatewayClass",
    "HTTPRoute",
    "Ingress",
    "IngressClass",
    "Namespace",
    "NetworkPolicy",
    "Node",
    "ObjectMeta",
    "ObjectReference",
    "OwnerReference",
    "Pod",
    "PodSpec",
    "PodTemplate",
    "Probe",
    "ReferenceGrant",
    "ReplicaSet",
    "Secret",
    "Selector",
    "Service",
    "ServicePort",
    "StatefulSet",
    "View",
]
