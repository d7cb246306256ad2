"""Kinds: the API's name for a type of object, and the path where it is served.

The rules of a kind are in its family: a folder here, with the same few files in each (`rows`, the
definitions; `checks`, `defaults`, `changes`, `columns`). The engines (`validation`, `defaulting`, the API server) read
`table`, which imports a family when it is first needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from sealane.kube import crds


class Kind(Struct, frozen=True):
    """One served version of one kind.

    storage: True for the version in which objects are kept.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ("status",)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """URL path of the collection (or of one object), e.g. "/api/v1/namespaces/shop/pods/web-0/status"."""
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if namespace and self.namespaced:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sorts v2, v1, v1beta2, v1beta1, v1alpha1, others: k8s.io/apimachinery/pkg/version, stable first."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return (3, 0, 0, version)
    rank = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (rank, -int(found[1]), -int(found[3] or 0), "")


_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False, ("ns",), (), ("status", "finalize"))
NODE = Kind("", "v1", "Node", "nodes", False, ("no",))
POD = Kind(
    "",
    "v1",
    "Pod",
    "pods",
    True,
    ("po",),
    ("all",),
    ("status", "log", "exec", "attach", "portforward", "proxy", "binding", "eviction", "ephemeralcontainers"),
)
SERVICE = Kind("", "v1", "Service", "services", True, ("svc",), ("all",), ("status", "proxy"))
ENDPOINTS = Kind("", "v1", "Endpoints", "endpoints", True, ("ep",), subresources=())
CONFIGMAP = Kind("", "v1", "ConfigMap", "configmaps", True, ("cm",), subresources=())
SECRET = Kind("", "v1", "Secret", "secrets", True, subresources=())
SERVICEACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts", True, ("sa",), (), ("token",))
EVENT = Kind("", "v1", "Event", "events", True, ("ev",), subresources=())
NEW_EVENT = Kind("events.k8s.io", "v1", "Event", "events", True, ("ev",), subresources=())
REPLICATIONCONTROLLER = Kind(
    "", "v1", "ReplicationController", "replicationcontrollers", True, ("rc",), ("all",), ("status", "scale")
)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True, ("deploy",), ("all",), ("status", "scale"))
REPLICASET = Kind("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), ("all",), ("status", "scale"))
STATEFULSET = Kind("apps", "v1", "StatefulSet", "statefulsets", True, ("sts",), ("all",), ("status", "scale"))
DAEMONSET = Kind("apps", "v1", "DaemonSet", "daemonsets", True, ("ds",), ("all",))
JOB = Kind("batch", "v1", "Job", "jobs", True, (), ("all",))
CRONJOB = Kind("batch", "v1", "CronJob", "cronjobs", True, ("cj",), ("all",))
PODDISRUPTIONBUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", True, ("pdb",))
HORIZONTALPODAUTOSCALER = Kind(
    "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True, ("hpa",), ("all",)
)
PERSISTENTVOLUME = Kind("", "v1", "PersistentVolume", "persistentvolumes", False, ("pv",))
PERSISTENTVOLUMECLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, ("pvc",))
CONTROLLERREVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions", subresources=())
ENDPOINTSLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", subresources=())
NETWORKPOLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", True, ("netpol",), subresources=())
CLUSTERNETWORKPOLICY = Kind(
    "policy.networking.k8s.io", "v1beta1", "ClusterNetworkPolicy", "clusternetworkpolicies", False, ("cnp",)
)
ADMINNETWORKPOLICY = Kind(
    "policy.networking.k8s.io", "v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies", False, ("anp",)
)
BASELINEADMINNETWORKPOLICY = Kind(
    "policy.networking.k8s.io",
    "v1alpha1",
    "BaselineAdminNetworkPolicy",
    "baselineadminnetworkpolicies",
    False,
    ("banp",),
)
INGRESS = Kind("networking.k8s.io", "v1", "Ingress", "ingresses", True, ("ing",))
INGRESSCLASS = Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", False, subresources=())
IPADDRESS = Kind("networking.k8s.io", "v1", "IPAddress", "ipaddresses", False, ("ip",), subresources=())
SERVICECIDR = Kind("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", False)
_GATEWAY = "gateway.networking.k8s.io"
GATEWAYCLASS = Kind(_GATEWAY, "v1", "GatewayClass", "gatewayclasses", False, ("gc",), ("gateway-api",))
GATEWAY = Kind(_GATEWAY, "v1", "Gateway", "gateways", True, ("gtw",), ("gateway-api",))
HTTPROUTE = Kind(_GATEWAY, "v1", "HTTPRoute", "httproutes", True, (), ("gateway-api",))
GRPCROUTE = Kind(_GATEWAY, "v1", "GRPCRoute", "grpcroutes", True, (), ("gateway-api",))
TLSROUTE = Kind(_GATEWAY, "v1", "TLSRoute", "tlsroutes", True, (), ("gateway-api",))
TCPROUTE = Kind(_GATEWAY, "v1", "TCPRoute", "tcproutes", True, (), ("gateway-api",))
UDPROUTE = Kind(_GATEWAY, "v1", "UDPRoute", "udproutes", True, (), ("gateway-api",))
LISTENERSET = Kind(_GATEWAY, "v1", "ListenerSet", "listenersets", True, ("lset",), ("gateway-api",))
BACKENDTLSPOLICY = Kind(
    _GATEWAY, "v1", "BackendTLSPolicy", "backendtlspolicies", True, ("btlspolicy",), ("gateway-api",)
)
REFERENCEGRANT = Kind(
    _GATEWAY,
    "v1beta1",
    "ReferenceGrant",
    "referencegrants",
    True,
    ("refgrant",),
    ("gateway-api",),
    (),
)
CRD = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False, ("crd", "crds")
)
RESOURCEQUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas", True, ("quota",))
_RBAC = "rbac.authorization.k8s.io"
ROLE = Kind(_RBAC, "v1", "Role", "roles", subresources=())
ROLEBINDING = Kind(_RBAC, "v1", "RoleBinding", "rolebindings", subresources=())
CLUSTERROLE = Kind(_RBAC, "v1", "ClusterRole", "clusterroles", False, subresources=())
CLUSTERROLEBINDING = Kind(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", False, subresources=())
CSR = Kind(
    "certificates.k8s.io",
    "v1",
    "CertificateSigningRequest",
    "certificatesigningrequests",
    False,
    ("csr",),
    (),
    ("approval", "status"),
)
_ADMISSION = "admissionregistration.k8s.io"
MUTATINGWEBHOOKS = Kind(
    _ADMISSION,
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    False,
    (),
    ("api-extensions",),
    (),
)
VALIDATINGWEBHOOKS = Kind(
    _ADMISSION,
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    False,
    (),
    ("api-extensions",),
    (),
)
ADMISSIONPOLICY = Kind(
    _ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False, (), ("api-extensions",)
)
ADMISSIONPOLICYBINDING = Kind(
    _ADMISSION,
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    False,
    (),
    ("api-extensions",),
    (),
)
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases", subresources=())

LIMITRANGE = Kind("", "v1", "LimitRange", "limitranges", True, ("limits",), subresources=())
RUNTIMECLASS = Kind("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", False, subresources=())
PRIORITYCLASS = Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False, ("pc",), subresources=())
STORAGECLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", False, ("sc",), subresources=())
PODTEMPLATE = Kind("", "v1", "PodTemplate", "podtemplates", subresources=())
_STORAGE = "storage.k8s.io"
CSIDRIVER = Kind(_STORAGE, "v1", "CSIDriver", "csidrivers", False, subresources=())
CSINODE = Kind(_STORAGE, "v1", "CSINode", "csinodes", False, subresources=())
CSISTORAGECAPACITY = Kind(_STORAGE, "v1", "CSIStorageCapacity", "csistoragecapacities", subresources=())
VOLUMEATTACHMENT = Kind(_STORAGE, "v1", "VolumeAttachment", "volumeattachments", False)
VOLUMEATTRIBUTESCLASS = Kind(
    _STORAGE, "v1", "VolumeAttributesClass", "volumeattributesclasses", False, ("vac",), subresources=()
)
APISERVICE = Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", False, (), ("api-extensions",))
_DEVICES = "resource.k8s.io"
RESOURCECLAIM = Kind(_DEVICES, "v1", "ResourceClaim", "resourceclaims")
RESOURCECLAIMTEMPLATE = Kind(_DEVICES, "v1", "ResourceClaimTemplate", "resourceclaimtemplates", subresources=())
DEVICECLASS = Kind(_DEVICES, "v1", "DeviceClass", "deviceclasses", False, subresources=())
RESOURCESLICE = Kind(_DEVICES, "v1", "ResourceSlice", "resourceslices", False, subresources=())
_FLOWCONTROL = "flowcontrol.apiserver.k8s.io"
PRIORITYLEVEL = Kind(_FLOWCONTROL, "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations", False)
FLOWSCHEMA = Kind(_FLOWCONTROL, "v1", "FlowSchema", "flowschemas", False)


def _defined() -> Iterator[Kind]:
    for name, definition in crds.definitions().items():
        names, group = definition.names, name.partition(".")[2]
        for version in sorted(definition.versions, key=lambda each: not each.storage):
            yield Kind(
                group,
                version.name,
                names["kind"],
                names["plural"],
                definition.scope == "Namespaced",
                tuple(names.get("shortNames") or ()),
                tuple(names.get("categories") or ()),
                version.subresources,
            )


DEFINED: tuple[Kind, ...] = tuple(_defined())
"""Kinds of the CustomResourceDefinitions that every cluster has from the start; the stored version comes first."""


def _also(kind: Kind, *versions: str) -> tuple[Kind, ...]:
    """A kind and its other versions, in which its objects are served as well."""
    return (kind, *(replace(kind, version=version) for version in versions))


FAMILIES: Mapping[str, tuple[Kind, ...]] = {
    "cluster": (NAMESPACE, NODE, LEASE, RUNTIMECLASS),
    "pods": (POD,),
    "services": (SERVICE, ENDPOINTS, ENDPOINTSLICE, IPADDRESS, SERVICECIDR),
    "configuration": (CONFIGMAP, SECRET),
    "access": (SERVICEACCOUNT, ROLE, ROLEBINDING, CLUSTERROLE, CLUSTERROLEBINDING, CSR),
    "events": (EVENT, NEW_EVENT),
    "workloads": (
        PODTEMPLATE,
        REPLICATIONCONTROLLER,
        DEPLOYMENT,
        REPLICASET,
        STATEFULSET,
        DAEMONSET,
        CONTROLLERREVISION,
    ),
    "batch": (JOB, CRONJOB),
    "limits": (
        *(LIMITRANGE, RESOURCEQUOTA, PRIORITYCLASS, PODDISRUPTIONBUDGET),
        *_also(HORIZONTALPODAUTOSCALER, "v1"),
    ),
    "storage": (
        *(PERSISTENTVOLUME, PERSISTENTVOLUMECLAIM, STORAGECLASS),
        *(CSIDRIVER, CSINODE, CSISTORAGECAPACITY, VOLUMEATTACHMENT, VOLUMEATTRIBUTESCLASS),
    ),
    "networking": (NETWORKPOLICY, INGRESS, INGRESSCLASS),
    "gateway": tuple(kind for kind in DEFINED if kind.group.startswith("gateway.")),
    "policies": tuple(kind for kind in DEFINED if kind.group.startswith("policy.")),
    "devices": (RESOURCECLAIM, RESOURCECLAIMTEMPLATE, DEVICECLASS, RESOURCESLICE),
    "flowcontrol": (PRIORITYLEVEL, FLOWSCHEMA),
    "extensions": (CRD,),
    "registration": (APISERVICE,),
    "admission": (MUTATINGWEBHOOKS, VALIDATINGWEBHOOKS, ADMISSIONPOLICY, ADMISSIONPOLICYBINDING),
}
"""Every kind by its family, the folder that says what it is; of several versions of one, the stored comes first."""

BUILTIN: tuple[Kind, ...] = tuple(kind for kinds in FAMILIES.values() for kind in kinds if kind not in DEFINED)
"""Every kind that is served without a CustomResourceDefinition."""

KNOWN: tuple[Kind, ...] = (*BUILTIN, *DEFINED)
"""Every kind of which there are facts."""

STORED_AS: Mapping[Kind, Kind] = {NEW_EVENT: EVENT}
"""Kinds whose objects are those of a kind in another group."""
