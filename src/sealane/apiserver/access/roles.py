"""The roles and bindings that every cluster begins with, and aggregated roles.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings and
k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy (without the roles of controllers that do not run here
as users of their own)

A rule is written VERBS | GROUPS | RESOURCES | NAMES, or VERBS | URLS with paths; "core" is the group "".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sealane.apiserver.access.rules import Rule
from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw
from sealane.kube.selectors import LabelSelector

_WORDS = {
    "READ": "get list watch",
    "WRITE": "create update patch delete deletecollection",
    "ALL": "create delete deletecollection get list patch update watch",
    "CHANGE": "get list watch update patch",
    "events": "create patch update",
}
_RBAC = kinds.ROLE.group
_AUTHN, _AUTHZ = "authentication.k8s.io", "authorization.k8s.io"
_NET, _CERT, _LEASE = "networking.k8s.io", "certificates.k8s.io", "coordination.k8s.io"
_EVENTS = ("events | core events.k8s.io | events",)
_OPEN = "/healthz /livez /readyz /version /version/"
_DISCOVERY = "/api /api/* /apis /apis/* /openapi /openapi/*"
_OIDC = "/.well-known/openid-configuration /openid/v1/jwks"

_VIEW = (
    "READ | core | bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims"
    " persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale"
    " replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status",
    "READ | apps | controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status"
    " replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    "READ | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status",
    "READ | batch | cronjobs cronjobs/status jobs jobs/status",
    "READ | discovery.k8s.io | endpointslices",
    f"READ | {_NET} | ingresses ingresses/status networkpolicies",
    "READ | policy | poddisruptionbudgets poddisruptionbudgets/status",
    "READ | resource.k8s.io | resourceclaims resourceclaims/status resourceclaimtemplates",
)
_EDIT = (
    "READ | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
    "impersonate | core | serviceaccounts",
    "WRITE | core | configmaps events persistentvolumeclaims pods pods/attach pods/exec pods/portforward pods/proxy"
    " replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
    "create | core | pods/eviction serviceaccounts/token",
    "WRITE | apps | daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale"
    " statefulsets statefulsets/scale",
    "WRITE | autoscaling | horizontalpodautoscalers",
    "WRITE | batch | cronjobs jobs",
    f"ALL | {_LEASE} | leases",
    f"WRITE | {_NET} | ingresses networkpolicies",
    "WRITE | policy | poddisruptionbudgets",
    "WRITE | resource.k8s.io | resourceclaims resourceclaimtemplates",
)
_NODE = (
    f"create | {_AUTHN} | tokenreviews",
    f"create | {_AUTHZ} | localsubjectaccessreviews subjectaccessreviews",
    "READ | core | configmaps pods secrets services",
    "create get list watch update patch | core | nodes",
    "update patch | core | nodes/status pods/status",
    "create update patch | core | events",
    "create delete | core | pods",
    "create | core | pods/eviction serviceaccounts/token",
    "get | core | endpoints persistentvolumeclaims persistentvolumes serviceaccounts",
    "get update patch | core | persistentvolumeclaims/status",
    f"create get list watch | {_CERT} | certificatesigningrequests",
    f"get create update patch delete | {_LEASE} | leases",
    "get | storage.k8s.io | volumeattachments",
    "READ | storage.k8s.io | csidrivers",
    "get create update patch delete | storage.k8s.io | csinodes",
    "READ | node.k8s.io | runtimeclasses",
)
_CONTROLLERS = (
    *_EVENTS,
    f"create | {_LEASE} | leases",
    f"get update | {_LEASE} | leases | kube-controller-manager",
    "create | core | secrets serviceaccounts serviceaccounts/token",
    "delete | core | secrets",
    "get | core | configmaps namespaces secrets serviceaccounts",
    "update | core | secrets serviceaccounts",
    f"create | {_AUTHN} | tokenreviews",
    f"create | {_AUTHZ} | subjectaccessreviews",
    "list watch | * | *",
)
_SCHEDULER = (
    *_EVENTS,
    f"create | {_LEASE} | leases",
    f"get update list watch | {_LEASE} | leases | kube-scheduler",
    f"ALL | {_LEASE} | leasecandidates",
    "READ | core | namespaces nodes persistentvolumeclaims persistentvolumes replicationcontrollers services",
    "get list watch delete | core | pods",
    "create | core | bindings pods/binding",
    "patch update | core | pods/status",
    "READ | apps extensions | replicasets",
    "READ | apps | statefulsets",
    "READ | policy | poddisruptionbudgets",
    f"create | {_AUTHN} | tokenreviews",
    f"create | {_AUTHZ} | subjectaccessreviews",
    "READ | storage.k8s.io | csidrivers csinodes csistoragecapacities volumeattachments",
)
_ROLES: Mapping[str, Sequence[str]] = {
    "cluster-admin": ("* | * | *", "* | *"),
    "system:aggregate-to-admin": (
        f"create | {_AUTHZ} | localsubjectaccessreviews",
        f"ALL | {_RBAC} | rolebindings roles",
    ),
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-view": _VIEW,
    "system:auth-delegator": (
        f"create | {_AUTHN} | tokenreviews",
        f"create | {_AUTHZ} | subjectaccessreviews",
    ),
    "system:basic-user": (
        f"create | {_AUTHZ} | selfsubjectaccessreviews selfsubjectrulesreviews",
        f"create | {_AUTHN} | selfsubjectreviews",
    ),
    "system:discovery": (f"get | {_OPEN} {_DISCOVERY}",),
    "system:kube-aggregator": ("READ | core | endpoints services",),
    "system:kube-controller-manager": _CONTROLLERS,
    "system:kube-dns": ("list watch | core | endpoints services",),
    "system:kube-scheduler": _SCHEDULER,
    "system:kubelet-api-admin": (
        "READ | core | nodes",
        "proxy | core | nodes",
        "* | core | nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
    ),
    "system:monitoring": (
        "get | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*",
        "get | core | nodes/metrics",
    ),
    "system:node": _NODE,
    "system:node-bootstrapper": (f"create get list watch | {_CERT} | certificatesigningrequests",),
    "system:node-problem-detector": ("get | core | nodes", "patch | core | nodes/status", *_EVENTS),
    "system:node-proxier": (
        "list watch | core | endpoints services",
        "READ | core | nodes",
        *_EVENTS,
        f"list watch | {_NET} | servicecidrs",
        "list watch | discovery.k8s.io | endpointslices",
    ),
    "system:persistent-volume-provisioner": (
        "get list watch create delete | core | persistentvolumes",
        "get list watch update | core | persistentvolumeclaims",
        "READ | storage.k8s.io | storageclasses",
        "watch | core | events",
        *_EVENTS,
    ),
    "system:public-info-viewer": (f"get | {_OPEN}",),
    "system:service-account-issuer-discovery": (f"get | {_OIDC}",),
    "system:volume-scheduler": (
        "CHANGE | core | persistentvolumeclaims persistentvolumes",
        "READ | storage.k8s.io | storageclasses",
    ),
    **{
        f"system:certificates.k8s.io:certificatesigningrequests:{name}": (
            f"create | {_CERT} | certificatesigningrequests/{name}",
        )
        for name in ("nodeclient", "selfnodeclient")
    },
    **{
        f"system:certificates.k8s.io:{name}-approver": (f"approve | {_CERT} | signers | kubernetes.io/{name}",)
        for name in ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown")
    },
}
_AGGREGATED = {"admin": "", "edit": "admin", "view": "edit"}
"""Role → the next wider one, of which it is a part."""

_BINDINGS: Mapping[str, Sequence[tuple[str, str]]] = {
    "cluster-admin": (("Group", "system:masters"),),
    "system:basic-user": (("Group", "system:authenticated"),),
    "system:discovery": (("Group", "system:authenticated"),),
    "system:kube-controller-manager": (("User", "system:kube-controller-manager"),),
    "system:kube-dns": (("ServiceAccount", "kube-dns"),),
    "system:kube-scheduler": (("User", "system:kube-scheduler"),),
    "system:monitoring": (("Group", "system:monitoring"),),
    "system:node": (),
    "system:node-proxier": (("User", "system:kube-proxy"),),
    "system:public-info-viewer": (("Group", "system:authenticated"), ("Group", "system:unauthenticated")),
    "system:service-account-issuer-discovery": (("Group", "system:serviceaccounts"),),
    "system:volume-scheduler": (("User", "system:kube-scheduler"),),
}
_MADE = {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}
_KEPT = {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}}


def defaults() -> Iterator[tuple[Kind, Raw]]:
    """The roles and bindings, as clients would write them; aggregated roles with their rules."""
    roles = [_role(name, {"rules": [_rule(each).raw() for each in rules]}) for name, rules in _ROLES.items()]
    for name in reversed(_AGGREGATED):
        selector = {"matchLabels": {f"{_RBAC}/aggregate-to-{name}": "true"}}
        role = _role(name, {"aggregationRule": {"clusterRoleSelectors": [selector]}})
        roles.append({**role, "rules": aggregated(role, roles)})
    yield from ((kinds.CLUSTERROLE, role) for role in roles)
    for name, subjects in _BINDINGS.items():
        yield kinds.CLUSTERROLEBINDING, _binding(name, subjects)


def aggregated(role: Raw, roles: Iterable[Raw]) -> list[Raw]:
    """The rules of an aggregated ClusterRole: those of all roles that it selects, in the order of their names.

    Source: k8s.io/kubernetes/pkg/controller/clusterroleaggregation
    """
    own = role["metadata"]["name"]
    found: list[Raw] = []
    others = sorted(roles, key=lambda each: str(each["metadata"]["name"]))
    for raw in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        selector = LabelSelector.of(raw)
        for other in others:
            metadata = other["metadata"]
            if metadata["name"] != own and selector.matches(metadata.get("labels") or {}):
                found += [rule for rule in other.get("rules") or () if rule not in found]
    return found


def _role(name: str, content: Raw) -> Raw:
    labels = dict(_MADE["labels"])
    wider = _AGGREGATED.get(name, name.removeprefix("system:aggregate-to-"))
    if wider and wider != name:
        labels[f"{_RBAC}/aggregate-to-{wider}"] = "true"
    return {"metadata": {"name": name, "labels": labels, **_KEPT}, **content}


def _binding(name: str, subjects: Sequence[tuple[str, str]]) -> Raw:
    named = [
        {"kind": kind, "name": who, "namespace": "kube-system"}
        if kind == "ServiceAccount"
        else {"kind": kind, "name": who, "apiGroup": _RBAC}
        for kind, who in subjects
    ]
    reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name}
    metadata = {"name": name, **_MADE, **_KEPT}
    return {"metadata": metadata, "roleRef": reference, **({"subjects": named} if named else {})}


def _rule(text: str) -> Rule:
    verbs, *rest = (tuple(part.split()) for part in text.split("|"))
    verbs = tuple(_WORDS.get(verbs[0], " ".join(verbs)).split())
    if len(rest) == 1:
        return Rule(verbs, urls=rest[0])
    groups = tuple("" if each == "core" else each for each in rest[0])
    return Rule(verbs, groups, rest[1], rest[2] if len(rest) > 2 else ())
