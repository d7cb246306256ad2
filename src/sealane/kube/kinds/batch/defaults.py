"""Defaults of Jobs and CronJobs.

Source: k8s.io/kubernetes/pkg/apis/batch/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import filled, inside
from sealane.kube.kinds.pods.defaults import pod_template
from sealane.kube.objects import Raw


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


def job(raw: Raw) -> Raw:
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


def cron_job(raw: Raw) -> Raw:
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
