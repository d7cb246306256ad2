"""Defaults of workloads.

Source: k8s.io/kubernetes/pkg/apis/apps/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import each, filled, inside
from sealane.kube.kinds.pods.defaults import claim, pod_template
from sealane.kube.objects import Raw


def deployment(raw: Raw) -> Raw:
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


def replica_set(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: inside(filled(spec, {"replicas": 1}), "template", pod_template))


def replication_controller(raw: Raw) -> Raw:
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


def stateful_set(raw: Raw) -> Raw:
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
        return each(found, "volumeClaimTemplates", claim)

    return inside(raw, "spec", spec)


def daemon_set(raw: Raw) -> Raw:
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


def template(raw: Raw) -> Raw:
    """A PodTemplate."""
    return inside(raw, "template", pod_template)
