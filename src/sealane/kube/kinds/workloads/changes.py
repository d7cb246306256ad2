"""The fields of a StatefulSet that may change."""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube.checks.changes import without
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

_MAY_CHANGE = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
_SAYS = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def check_stateful_set_change(stateful_set: Part, old: Raw) -> Iterator[Problem]:
    """Source: ValidateStatefulSetUpdate of k8s.io/kubernetes/pkg/apis/apps/validation."""
    if without(stateful_set["spec"].value, _MAY_CHANGE) != without(old.get("spec"), _MAY_CHANGE):
        yield stateful_set["spec"].forbidden(_SAYS)
