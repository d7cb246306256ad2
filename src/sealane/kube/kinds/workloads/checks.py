"""Workloads: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sealane.kube.checks.common import check_amount, check_not_negative
from sealane.kube.checks.metadata import check_annotations, check_labels, check_selector
from sealane.kube.kinds.pods.checks import check_pod_spec
from sealane.kube.problems import Part, Problem
from sealane.kube.selectors import LabelSelector


def check_workload(obj: Part) -> Iterator[Problem]:
    """Deployment, ReplicaSet, StatefulSet, DaemonSet."""
    spec = obj["spec"]
    yield from check_not_negative(
        spec, "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"
    )
    yield from _check_template_selector(spec, obj.text("kind").lower())
    template = spec["template"]
    yield from check_labels(template["metadata"]["labels"])
    yield from check_annotations(template["metadata"]["annotations"])
    claims = {claim["metadata"].text("name") for claim in spec.each("volumeClaimTemplates")}
    yield from check_pod_spec(template["spec"], claims)
    if template["spec"].text("restartPolicy", "Always") != "Always":
        yield template["spec"]["restartPolicy"].not_supported(["Always"])
    strategy = spec["strategy"] if obj.text("kind") == "Deployment" else spec["updateStrategy"]
    yield from _check_strategy(strategy)


def check_replication_controller(obj: Part) -> Iterator[Problem]:
    """Its selector is a map of labels: ValidateReplicationControllerSpec."""
    spec = obj["spec"]
    yield from check_not_negative(spec, "replicas", "minReadySeconds")
    template = spec["template"]
    selector, labels = spec["selector"], template["metadata"]["labels"]
    if not template.present:
        yield template.required()
        return
    if isinstance(selector.value, dict) and not selector.empty:
        if not _selects({"matchLabels": selector.value}, labels.value):
            yield labels.invalid("`selector` does not match template `labels`", labels.value or {})
    elif labels.empty:
        yield selector.required()
    yield from check_labels(labels)
    yield from check_annotations(template["metadata"]["annotations"])
    yield from check_pod_spec(template["spec"])
    if template["spec"].text("restartPolicy", "Always") != "Always":
        yield template["spec"]["restartPolicy"].not_supported(["Always"])


def check_pod_template(obj: Part) -> Iterator[Problem]:
    """ValidatePodTemplate."""
    template = obj["template"]
    yield from check_labels(template["metadata"]["labels"])
    yield from check_annotations(template["metadata"]["annotations"])
    yield from check_pod_spec(template["spec"])


def _check_template_selector(spec: Part, kind: str) -> Iterator[Problem]:
    selector = spec["selector"]
    if not selector.present:
        yield selector.required()
        return
    yield from check_selector(selector)
    if not isinstance(selector.value, dict):
        return
    if selector["matchLabels"].empty and selector["matchExpressions"].empty:
        yield selector.invalid(f"empty selector is invalid for {kind}")
    elif not _selects(selector.value, spec["template"]["metadata"]["labels"].value):
        labels = spec["template"]["metadata"]["labels"]
        yield labels.invalid("`selector` does not match template `labels`", labels.value or {})


def _selects(selector: dict[str, Any], labels: Any) -> bool:
    try:
        return LabelSelector.of(selector).matches(labels if isinstance(labels, dict) else {})
    except (KeyError, TypeError, AttributeError):
        return True  # the selector itself is malformed, which is reported


def _check_strategy(strategy: Part) -> Iterator[Problem]:
    rolling = strategy["rollingUpdate"]
    kind = strategy.text("type", "RollingUpdate")
    if rolling.present and kind != "RollingUpdate":
        yield rolling.forbidden(f"may not be specified when strategy `type` is '{kind}'")
        return
    surge, unavailable = rolling["maxSurge"], rolling["maxUnavailable"]
    yield from check_amount(surge)
    yield from check_amount(unavailable)
    if surge.value in (0, "0%") and unavailable.value in (0, "0%"):
        yield unavailable.invalid("may not be 0 when `maxSurge` is 0")
    yield from check_not_negative(rolling, "partition")
