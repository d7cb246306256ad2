"""Defaulting: what the API fills in before it checks and stores an object.

Source: the field descriptions of the API reference, and SetDefaults_* of k8s.io/kubernetes/pkg/apis. Kinds of the
Gateway API say their defaults in their schema.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from sealane.kube import schema
from sealane.kube.edit import each, filled, inside
from sealane.kube.kinds.admission.defaults import (
    admission_policy,
    admission_policy_binding,
    mutating_webhooks,
    role_binding,
    validating_webhooks,
)
from sealane.kube.kinds.pods.defaults import pod_spec, pod_template
from sealane.kube.kinds.structural_defaults import structural
from sealane.kube.objects import Raw, without_nulls

__all__ = ["defaulted"]


def defaulted(raw: Raw) -> Raw:
    """`raw` with every default its kind has, and without nulls. Does not change `raw`; a second time changes nothing.

    What a cluster allocates (addresses, node ports, uid, times) is not defaulting.
    """
    raw = without_nulls(raw)
    api_version, kind = raw.get("apiVersion", ""), raw.get("kind", "")
    group = api_version.rpartition("/")[0]
    if group.startswith("gateway."):
        found = schema.root(api_version, kind)
        return structural(raw, found) if found is not None else raw
    rule = _RULES.get((group, kind))
    return rule(raw) if rule is not None else raw


def _pod(raw: Raw) -> Raw:
    spec = raw.get("spec")
    if not isinstance(spec, dict):
        return raw
    # Links and requests from limits are defaults of pods, not of templates.
    spec = filled(pod_spec(spec), {"enableServiceLinks": True})
    for field in ("containers", "initContainers"):
        spec = each(spec, field, lambda container: inside(container, "resources", _requests))
    return {**raw, "spec": spec}


def _requests(resources: Raw) -> Raw:
    limits = resources.get("limits")
    if not isinstance(limits, dict) or not limits:
        return resources
    return filled(resources, {"requests": {}}) | {"requests": {**limits, **(resources.get("requests") or {})}}


def _service(raw: Raw) -> Raw:
    return inside(raw, "spec", _service_spec)


def _service_spec(spec: Raw) -> Raw:
    spec = filled(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    kind = spec["type"]
    if spec["sessionAffinity"] == "ClientIP":
        config = filled(spec.get("sessionAffinityConfig") or {}, {"clientIP": {}})
        spec = {
            **spec,
            "sessionAffinityConfig": inside(config, "clientIP", lambda c: filled(c, {"timeoutSeconds": 10800})),
        }
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        spec = filled(spec, {"internalTrafficPolicy": "Cluster"})
    if kind in ("NodePort", "LoadBalancer") or spec.get("externalIPs"):
        spec = filled(spec, {"externalTrafficPolicy": "Cluster"})
    if kind == "LoadBalancer":
        spec = filled(spec, {"allocateLoadBalancerNodePorts": True})
    return each(spec, "ports", _service_port)


def _service_port(port: Raw) -> Raw:
    port = filled(port, {"protocol": "TCP"})
    if not port.get("targetPort") and "port" in port:
        port = {**port, "targetPort": port["port"]}
    return port


def _protocols(field: str) -> Callable[[Raw], Raw]:
    return lambda raw: each(raw, field, lambda port: filled(port, {"protocol": "TCP"}))


def _endpoints(raw: Raw) -> Raw:
    return each(raw, "subsets", _protocols("ports"))


def _endpoint_slice(raw: Raw) -> Raw:
    return each(raw, "ports", lambda port: filled(port, {"name": "", "protocol": "TCP"}))


def _namespace(raw: Raw) -> Raw:
    metadata = raw.get("metadata") or {}
    name = metadata.get("name")
    if name:
        labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": name}
        raw = {**raw, "metadata": {**metadata, "labels": labels}}
    raw = filled(raw, {"spec": {}, "status": {}})
    raw = inside(raw, "spec", lambda spec: filled(spec, {"finalizers": ["kubernetes"]}))
    return inside(raw, "status", lambda status: filled(status, {"phase": "Active"}))


def _secret(raw: Raw) -> Raw:
    """stringData is write-only: it goes into data, over what is there."""
    raw = filled(raw, {"type": "Opaque"})
    plain = raw.get("stringData")
    if not isinstance(plain, dict):
        return raw
    data = dict(raw.get("data") or {})
    data |= {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
    return {**{key: value for key, value in raw.items() if key != "stringData"}, "data": data}


def _deployment(raw: Raw) -> Raw:
    def rolling(strategy: Raw) -> Raw:
        strategy = filled(strategy, {"type": "RollingUpdate"})
        if strategy["type"] != "RollingUpdate":
            return strategy
        amounts = {"maxUnavailable": "25%", "maxSurge": "25%"}
        return inside(filled(strategy, {"rollingUpdate": {}}), "rollingUpdate", lambda r: filled(r, amounts))

    def spec(found: Raw) -> Raw:
        found = filled(
            found, {"replicas": 1, "strategy": {}, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
        )
        return inside(inside(found, "strategy", rolling), "template", pod_template)

    return inside(raw, "spec", spec)


def _replica_set(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: inside(filled(spec, {"replicas": 1}), "template", pod_template))


def _replication_controller(raw: Raw) -> Raw:
    """Labels and selector are those of the template, unless they are said."""

    def spec(found: Raw) -> Raw:
        labels = ((found.get("template") or {}).get("metadata") or {}).get("labels") or {}
        if labels and not found.get("selector"):
            found = {**found, "selector": labels}
        return inside(filled(found, {"replicas": 1}), "template", pod_template)

    raw = inside(raw, "spec", spec)
    labels = ((raw["spec"].get("template") or {}).get("metadata") or {}).get("labels") if raw.get("spec") else None
    if labels and not (raw.get("metadata") or {}).get("labels"):
        raw = {**raw, "metadata": {**raw["metadata"], "labels": labels}}
    return raw


def _stateful_set(raw: Raw) -> Raw:
    def rolling(strategy: Raw) -> Raw:
        strategy = filled(strategy, {"type": "RollingUpdate"})
        if strategy["type"] != "RollingUpdate":
            return strategy
        return inside(filled(strategy, {"rollingUpdate": {}}), "rollingUpdate", lambda r: filled(r, {"partition": 0}))

    def spec(found: Raw) -> Raw:
        defaults = {
            "replicas": 1,
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {},
            "revisionHistoryLimit": 10,
            "persistentVolumeClaimRetentionPolicy": {},
        }
        found = inside(inside(filled(found, defaults), "updateStrategy", rolling), "template", pod_template)
        keep = {"whenDeleted": "Retain", "whenScaled": "Retain"}
        found = inside(found, "persistentVolumeClaimRetentionPolicy", lambda policy: filled(policy, keep))
        return each(found, "volumeClaimTemplates", _claim)

    return inside(raw, "spec", spec)


def _claim(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: filled(spec, {"volumeMode": "Filesystem"}))


def _daemon_set(raw: Raw) -> Raw:
    def rolling(strategy: Raw) -> Raw:
        strategy = filled(strategy, {"type": "RollingUpdate"})
        if strategy["type"] != "RollingUpdate":
            return strategy
        amounts = {"maxUnavailable": 1, "maxSurge": 0}
        return inside(filled(strategy, {"rollingUpdate": {}}), "rollingUpdate", lambda r: filled(r, amounts))

    def spec(found: Raw) -> Raw:
        found = inside(filled(found, {"updateStrategy": {}, "revisionHistoryLimit": 10}), "updateStrategy", rolling)
        return inside(found, "template", pod_template)

    return inside(raw, "spec", spec)


def _network_policy(raw: Raw) -> Raw:
    def spec(found: Raw) -> Raw:
        for direction in ("ingress", "egress"):
            found = each(found, direction, _protocols("ports"))
        types = ["Ingress", "Egress"] if found.get("egress") else ["Ingress"]
        found = filled(found, {"podSelector": {}})
        return found if found.get("policyTypes") else {**found, "policyTypes": types}

    return inside(raw, "spec", spec)


def _ingress_class(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: inside(spec, "parameters", lambda p: filled(p, {"scope": "Cluster"})))


def _job_spec(spec: Raw) -> Raw:
    if "completions" not in spec and "parallelism" not in spec:
        spec = {**spec, "completions": 1}
    limit = (1 << 31) - 1 if "backoffLimitPerIndex" in spec else 6
    defaults = {
        "parallelism": 1,
        "backoffLimit": limit,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed",
    }
    return inside(filled(spec, defaults), "template", pod_template)


def _job(raw: Raw) -> Raw:
    """A Job of a server, which has a uid, selects its own pods (spec.manualSelector of the API reference)."""
    raw = inside(raw, "spec", _job_spec)
    uid, spec = raw["metadata"].get("uid"), raw.get("spec")
    if not uid or not isinstance(spec, dict) or spec.get("manualSelector"):
        return raw
    own = {"batch.kubernetes.io/controller-uid": uid}
    labels = {"batch.kubernetes.io/job-name": raw["metadata"]["name"], "job-name": raw["metadata"]["name"]}
    labels |= {**own, "controller-uid": uid}

    def labelled(template: Raw) -> Raw:
        return inside(filled(template, {"metadata": {}}), "metadata", _with_labels)

    def _with_labels(metadata: Raw) -> Raw:
        return inside(filled(metadata, {"labels": {}}), "labels", lambda given: filled(given, labels))

    def selecting(spec: Raw) -> Raw:
        return filled(inside(spec, "template", labelled), {"selector": {"matchLabels": own}})

    return inside(raw, "spec", selecting)


def _cron_job(raw: Raw) -> Raw:
    def spec(found: Raw) -> Raw:
        defaults = {
            "concurrencyPolicy": "Allow",
            "suspend": False,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
        }
        template = inside(found, "jobTemplate", lambda job: inside(job, "spec", _job_spec))
        return filled(template, defaults)

    return inside(raw, "spec", spec)


def _autoscaler(raw: Raw) -> Raw:
    """SetDefaults_HorizontalPodAutoscaler: without a metric it goes by 80 % of the processors that pods ask for."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}

    def spec(found: Raw) -> Raw:
        found = filled(found, {"minReplicas": 1})
        if raw.get("apiVersion") == "autoscaling/v2" and not found.get("metrics"):
            found = {**found, "metrics": [{"type": "Resource", "resource": cpu}]}
        return found

    return inside(raw, "spec", spec)


_RULES: dict[tuple[str, str], Callable[[Raw], Raw]] = {
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("", "Endpoints"): _endpoints,
    ("", "Namespace"): _namespace,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): mutating_webhooks,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): admission_policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): admission_policy_binding,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): validating_webhooks,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("", "ReplicationController"): _replication_controller,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "CronJob"): _cron_job,
    ("batch", "Job"): _job,
    ("discovery.k8s.io", "EndpointSlice"): _endpoint_slice,
    ("networking.k8s.io", "IngressClass"): _ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): _network_policy,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): role_binding,
    ("rbac.authorization.k8s.io", "RoleBinding"): role_binding,
}
