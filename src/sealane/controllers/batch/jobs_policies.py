"""The policies of a Job: their verdicts on failed pods and on indexes that succeeded. Pure.

Sources: https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy and #success-policy
(KEP-3329, KEP-3998) and k8s.io/kubernetes/pkg/controller/job (pod_failure_policy.go, success_policy.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Literal

import msgspec

from sealane.controllers.batch.jobs_indexes import parse
from sealane.kube.objects import Object

Action = Literal["FailJob", "FailIndex", "Ignore", "Count"]


class Ruling(msgspec.Struct, frozen=True):
    """action: how the failure counts. message: why the Job fails, for FailJob."""

    action: Action
    message: str = ""


COUNT = Ruling("Count")


def ruling(policy: Mapping[str, Any] | None, pod: Object) -> Ruling:
    """The action of the first rule that a failed pod matches."""
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        action: Action = rule["action"]
        codes = rule.get("onExitCodes")
        if codes is not None:
            found = _exit_code(codes, pod)
            if found is not None:
                name, code = found
                which = f"Container {name} for pod {pod.namespace}/{pod.name} failed with exit code {code}"
                return Ruling(action, f"{which} matching {action} rule at index {number}")
            continue
        kind = _condition(rule.get("onPodConditions") or (), pod)
        if kind:
            which = f"Pod {pod.namespace}/{pod.name} has condition {kind}"
            return Ruling(action, f"{which} matching {action} rule at index {number}")
    return COUNT


def _exit_code(requirement: Mapping[str, Any], pod: Object) -> tuple[str, int] | None:
    name, values = requirement.get("containerName"), requirement.get("values") or ()
    status = pod.status
    for one in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        terminated = (one.get("state") or {}).get("terminated")
        if terminated is None or (name is not None and one["name"] != name):
            continue
        code = int(terminated.get("exitCode") or 0)
        if code != 0 and (code in values) == (requirement.get("operator") == "In"):
            return str(one["name"]), code
    return None


def _condition(patterns: Any, pod: Object) -> str:
    for pattern in patterns:
        for condition in pod.status.get("conditions") or ():
            if condition["type"] == pattern["type"] and condition["status"] == (pattern.get("status") or "True"):
                return str(condition["type"])
    return ""


def success_rule(policy: Mapping[str, Any] | None, succeeded: Set[int]) -> int | None:
    """Which rule of a successPolicy these indexes meet; None when they meet none."""
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        wanted = parse(rule["succeededIndexes"]) if rule.get("succeededIndexes") is not None else None
        counted = succeeded if wanted is None else succeeded & wanted
        least = rule.get("succeededCount")
        needed = int(least) if least is not None else len(wanted or ())
        if len(counted) >= needed and (least is not None or wanted is not None):
            return number
    return None
