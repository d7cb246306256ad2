"""When two templates are one revision."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.controllers.workloads.revisions import revision_data, revision_template, same_template, template_hash
from sealane.kube.objects import Object


def template(metadata: Any = None, **container: Any) -> dict[str, Any]:
    labels = {"labels": {"app": "web"}}
    return {
        "metadata": {**labels, **(metadata or {})},
        "spec": {"containers": [{"name": "c", "image": "web:1", **container}]},
    }


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (template(), True),
        (template({"creationTimestamp": None}), True),
        (template(resources={}), True),
        (template(env=[]), True),
        (template(tty=False), True),
        (template({"labels": {"app": "web", "pod-template-hash": "abc"}}), True),
        (template(tty=True), False),
        (template(image="web:2"), False),
        (template({"labels": {"app": "web", "extra": ""}}), False),
        (template({"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}), False),
        (template(securityContext={"allowPrivilegeEscalation": False}), False),
        (template(env=[{"name": "A"}]), False),
    ],
)
def test_same_template(other: dict[str, Any], same: bool) -> None:
    assert same_template(template(), other) == same
    assert (template_hash(template()) == template_hash(other)) == same


def test_salt_makes_another_name() -> None:
    assert template_hash(template(), 1) != template_hash(template())
    assert len(template_hash(template())) == 10


def test_a_revision_keeps_the_template_as_a_patch_for_kubectl() -> None:
    data = revision_data(template())
    assert data["spec"]["template"]["$patch"] == "replace"
    raw = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "r"}, "data": data}
    assert revision_template(Object(raw)) == template()
