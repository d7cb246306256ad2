"""The fields of a Job that may change.

Source: ValidateJobSpecUpdate of k8s.io/kubernetes/pkg/apis/batch/validation
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube.checks.changes import immutable, without
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

_STAYS = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def check_job_change(job: Part, old: Raw) -> Iterator[Problem]:
    """Scheduling fields of a Job may change until its pods first run; completions of an Indexed Job together with
    parallelism.
    """
    spec, was = job["spec"], old.get("spec") or {}
    completions = spec["completions"]
    if completions.value != was.get("completions"):
        if spec.text("completionMode") != "Indexed":
            yield immutable(completions)
        elif completions.value != spec["parallelism"].value:
            yield completions.invalid("can only be modified in tandem with spec.parallelism")
    for field in _STAYS:
        if spec[field].value != was.get(field):
            yield immutable(spec[field])
    before, after = was.get("template") or {}, spec["template"].value or {}
    if was.get("suspend") and not (old.get("status") or {}).get("startTime"):
        before, after = _unscheduled(before), _unscheduled(after)
    if before != after:
        yield immutable(spec["template"])


def _unscheduled(template: Raw) -> Raw:
    """A pod template without its scheduling directives (KEP-2926)."""
    metadata = without(template.get("metadata"), {"annotations", "labels"})
    spec = without(template.get("spec"), {"affinity", "nodeSelector", "schedulingGates", "tolerations"})
    affinity = without((template.get("spec") or {}).get("affinity"), {"nodeAffinity"})
    return {**template, "metadata": metadata, "spec": {**spec, "affinity": affinity}}
