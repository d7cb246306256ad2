"""Validation: everything that is wrong with one object, as the Kubernetes API would say it.

The API server answers 400 or 422 with it, the command line shows it for files with file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sealane.kube import kinds, schema
from sealane.kube.checks.decoding import mistyped
from sealane.kube.checks.fields import check_fields
from sealane.kube.checks.metadata import check_metadata
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds.access.checks import check_role, check_role_binding, check_signing_request
from sealane.kube.kinds.admission.policies import check_policy, check_policy_binding
from sealane.kube.kinds.admission.webhooks import check_webhooks
from sealane.kube.kinds.batch.checks import check_cron_job, check_job
from sealane.kube.kinds.configuration.checks import check_config_map, check_secret
from sealane.kube.kinds.events.checks import check_event, check_event_change, check_new_event
from sealane.kube.kinds.gateway.checks import check_gateway, check_route
from sealane.kube.kinds.limits.checks import (
    check_autoscaler,
    check_disruption_budget,
    check_limit_range,
    check_priority_class,
    check_resource_quota,
)
from sealane.kube.kinds.networking.checks import check_ingress, check_ingress_class, check_network_policy
from sealane.kube.kinds.pods.checks import check_pod
from sealane.kube.kinds.services.checks import (
    check_endpoint_slice,
    check_endpoints,
    check_ip_address,
    check_service,
    check_service_cidr,
)
from sealane.kube.kinds.storage.checks import (
    check_claim,
    check_lease,
    check_runtime_class,
    check_storage_class,
    check_volume,
)
from sealane.kube.kinds.workloads.checks import check_replication_controller, check_workload
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

__all__ = ["Problem", "as_api_error", "validate"]

Rule = Callable[[Part], Iterator[Problem]]


_RULES: dict[tuple[str, str], Rule] = {
    ("", "ConfigMap"): check_config_map,
    ("", "Endpoints"): check_endpoints,
    ("", "Event"): check_event,
    ("", "Pod"): check_pod,
    ("", "LimitRange"): check_limit_range,
    ("", "PersistentVolume"): check_volume,
    ("", "PersistentVolumeClaim"): check_claim,
    ("", "ResourceQuota"): check_resource_quota,
    ("", "Secret"): check_secret,
    ("", "Service"): check_service,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): check_policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): check_policy_binding,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): check_webhooks,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): check_webhooks,
    ("apps", "DaemonSet"): check_workload,
    ("apps", "Deployment"): check_workload,
    ("apps", "ReplicaSet"): check_workload,
    ("", "ReplicationController"): check_replication_controller,
    ("apps", "StatefulSet"): check_workload,
    ("autoscaling", "HorizontalPodAutoscaler"): check_autoscaler,
    ("batch", "CronJob"): check_cron_job,
    ("batch", "Job"): check_job,
    ("coordination.k8s.io", "Lease"): check_lease,
    ("node.k8s.io", "RuntimeClass"): check_runtime_class,
    ("policy", "PodDisruptionBudget"): check_disruption_budget,
    ("scheduling.k8s.io", "PriorityClass"): check_priority_class,
    ("storage.k8s.io", "StorageClass"): check_storage_class,
    ("certificates.k8s.io", "CertificateSigningRequest"): check_signing_request,
    ("discovery.k8s.io", "EndpointSlice"): check_endpoint_slice,
    ("events.k8s.io", "Event"): check_new_event,
    ("gateway.networking.k8s.io", "Gateway"): check_gateway,
    ("gateway.networking.k8s.io", "GRPCRoute"): check_route,
    ("gateway.networking.k8s.io", "HTTPRoute"): check_route,
    ("gateway.networking.k8s.io", "TCPRoute"): check_route,
    ("gateway.networking.k8s.io", "TLSRoute"): check_route,
    ("gateway.networking.k8s.io", "UDPRoute"): check_route,
    ("networking.k8s.io", "IPAddress"): check_ip_address,
    ("networking.k8s.io", "Ingress"): check_ingress,
    ("networking.k8s.io", "IngressClass"): check_ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): check_network_policy,
    ("networking.k8s.io", "ServiceCIDR"): check_service_cidr,
    ("rbac.authorization.k8s.io", "ClusterRole"): check_role,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): check_role_binding,
    ("rbac.authorization.k8s.io", "Role"): check_role,
    ("rbac.authorization.k8s.io", "RoleBinding"): check_role_binding,
}
_CHANGES: dict[tuple[str, str], Callable[[Part, Raw], Iterator[Problem]]] = {
    ("events.k8s.io", "Event"): check_event_change
}
"""Rules for what replaces an object, where a new one has to be more than that."""
_ONLY_NEW = {("events.k8s.io", "Event"): ("eventTime",)}
"""Fields that only new objects have to have."""
_SCOPES = {(kind.group, kind.kind): kind.namespaced for kind in kinds.KNOWN}


def validate(raw: Raw, *, namespaced: bool | None = None, old: Raw | None = None) -> list[Problem]:
    """Every problem of an object, in the order of its fields; [] when the API would take it.

    A kind without a schema (a custom one) is checked in its metadata only; `namespaced` is then its scope, if known.
    old: what it replaces, in the same version.
    """
    obj = Part(raw)
    api_version, kind = obj.text("apiVersion"), obj.text("kind")
    group = api_version.rpartition("/")[0]
    found = schema.root(api_version, kind)
    problems: list[Problem] = []
    if found is not None:
        problems += check_fields(obj, found)
        if old is not None and (spared := _ONLY_NEW.get((group, kind))) is not None:
            problems = [each for each in problems if each.path != spared or each.reason != "FieldValueRequired"]
    else:
        problems += _check_custom(obj)
    problems += check_metadata(obj, _SCOPES.get((group, kind), namespaced))
    rule = _RULES.get((group, kind))
    change = _CHANGES.get((group, kind)) if old is not None else None
    if change is not None and old is not None:
        problems += change(obj, old)
    elif rule is not None:
        problems += rule(obj)
    return _distinct(problems)


def as_api_error(raw: Raw, problems: Sequence[Problem]) -> ApiError:
    """The API's answer to an object with these problems: 400 when it cannot be decoded, else 422 with all causes."""
    obj = Part(raw)
    api_version, kind, name = obj.text("apiVersion"), obj.text("kind"), obj["metadata"].text("name")
    undecodable = [each for each in problems if each.undecodable]
    if undecodable:
        version = api_version.rpartition("/")[2]
        wrong = next((each for each in undecodable if each.reason == "FieldTypeInvalid"), None)
        if wrong is not None:  # decoding ends with the first
            why = mistyped(api_version, kind, wrong)
        else:
            why = "strict decoding error: " + ", ".join(f'unknown field "{each.field}"' for each in undecodable)
        return ApiError(400, "BadRequest", f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')
    group = api_version.rpartition("/")[0]
    texts = [str(each) for each in problems]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: dict[str, Any] = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [{"reason": each.reason, "message": each.message, "field": each.field} for each in problems],
    }
    title = f"{kind}.{group}" if group else kind
    return ApiError(422, "Invalid", f'{title} "{name}" is invalid: {listed}', details)


def _check_custom(obj: Part) -> Iterator[Problem]:
    metadata = obj["metadata"]
    if metadata.present:
        yield from check_fields(metadata, schema.named("meta.v1.ObjectMeta"))


def _distinct(problems: Iterable[Problem]) -> list[Problem]:
    """Without what two checks found alike: one problem of one reason for a field, the first."""
    seen: dict[tuple[Any, ...], Problem] = {}
    for each in problems:
        what = each.reason if each.reason == "FieldValueRequired" else each.message
        seen.setdefault((each.path, what), each)
    return list(seen.values())
