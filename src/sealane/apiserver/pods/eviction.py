"""Evictions: deletions of pods that PodDisruptionBudgets may refuse.

Sources: https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/ and
k8s.io/kubernetes/pkg/registry/core/pod/storage/eviction.go (order of decisions, words).
"""

from __future__ import annotations

from sealane.apiserver import errors
from sealane.apiserver.api import Api
from sealane.apiserver.clock import timestamp
from sealane.apiserver.objects.deletion import Deletion
from sealane.apiserver.write import Write
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import POD, PODDISRUPTIONBUDGET
from sealane.kube.objects import Object, Raw
from sealane.kube.selectors import LabelSelector

MOST_DISRUPTED = 2000
RETRY_SECONDS = 10


async def evict(api: Api, pod: Object, eviction: Raw, options: Deletion) -> None:
    """Raises ApiError 400, 403, 404, 409, 429 when a budget does not allow it now, or 500 when two are in its way."""
    named = (eviction.get("metadata") or {}).get("name")
    if named and named != pod.name:
        raise errors.bad_request("name in URL does not match name in Eviction object")
    budget = None if _needs_none(pod) else _budget_of(api, pod)
    if budget is not None and not _is_free(pod, budget):

        def spend(raw: Raw) -> Raw:
            return spent(raw, pod.name, timestamp())

        served = api.resources.of(PODDISRUPTIONBUDGET)
        write = Write(dry_run=options.dry_run, manager="kube-apiserver")
        await api.change(served, pod.namespace, budget.name, spend, "status", write)
    await api.delete(POD, pod.namespace, pod.name, options)


def _needs_none(pod: Object) -> bool:
    """Whether no budget is needed: the pod has ended, goes already or does not run yet."""
    return pod.deleting or pod.status.get("phase") in ("Succeeded", "Failed", "Pending")


def _budget_of(api: Api, pod: Object) -> Object | None:
    found = []
    for stored in api.list(PODDISRUPTIONBUDGET, pod.namespace)[0]:
        selector = stored.object.spec.get("selector")
        if selector is not None and LabelSelector.of(selector).matches(pod.labels):
            found.append(stored.object)
    if len(found) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise ApiError(500, "InternalError", why)
    return found[0] if found else None


def _is_free(pod: Object, budget: Object) -> bool:
    """A pod that is not ready costs nothing, by unhealthyPodEvictionPolicy."""
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in pod.status.get("conditions") or ())
    if ready:
        return False
    if budget.spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    healthy, desired = (int(budget.status.get(name) or 0) for name in ("currentHealthy", "desiredHealthy"))
    return desired > 0 and healthy >= desired


def spent(budget: Raw, pod: str, now: str) -> Raw:
    """The budget after one more disruption. Raises ApiError 403 or 429."""
    metadata, status = budget["metadata"], budget.get("status") or {}
    name = metadata["name"]
    if int(status.get("observedGeneration") or 0) < int(metadata.get("generation") or 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", RETRY_SECONDS)
    allowed = int(status.get("disruptionsAllowed") or 0)
    if allowed < 0:
        raise errors.forbidden(PODDISRUPTIONBUDGET, name, "pdb disruptions allowed is negative")
    disrupted = status.get("disruptedPods") or {}
    if len(disrupted) > MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden(PODDISRUPTIONBUDGET, name, why)
    if allowed == 0:
        desired, healthy = int(status.get("desiredHealthy") or 0), int(status.get("currentHealthy") or 0)
        raise _refused(f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently", 0)
    after: Raw = {**status, "disruptionsAllowed": allowed - 1, "disruptedPods": {**disrupted, pod: now}}
    if allowed == 1:
        condition: Raw = {"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": ""}
        condition |= {"lastTransitionTime": now, "observedGeneration": metadata.get("generation") or 0}
        others = [each for each in status.get("conditions") or () if each["type"] != "DisruptionAllowed"]
        after["conditions"] = [*others, condition]
    return {**budget, "status": after}


def _refused(why: str, retry: int) -> ApiError:
    details: Raw = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry:
        details["retryAfterSeconds"] = retry
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return ApiError(429, "TooManyRequests", message, details)
