"""Objects inside objects (x-kubernetes-embedded-resource): they need what makes an object one.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sealane.kube import names
from sealane.kube.checks.metadata import check_annotations, check_labels
from sealane.kube.gotext import shown
from sealane.kube.problems import Part
from sealane.kube.structural.limits import Cause
from sealane.kube.structural.node import Node
from sealane.kube.structural.paths import at, field


def embedded_causes(node: Node, value: Any, path: str = "") -> Iterator[Cause]:
    if not node.has_embedded:
        return
    if isinstance(value, dict):
        if node.embedded:
            yield from _object_causes(value, path)
        for name, each in value.items():
            inner = node.properties.get(name)
            if inner is not None:
                yield from embedded_causes(inner, each, field(path, name))
            elif node.additional is not None:
                yield from embedded_causes(node.additional, each, at(path, name))
    elif isinstance(value, list) and node.items is not None:
        for index, each in enumerate(value):
            yield from embedded_causes(node.items, each, f"{path}[{index}]")


def _object_causes(value: dict[str, Any], path: str) -> Iterator[Cause]:
    for name in ("apiVersion", "kind"):
        if name not in value:
            yield (field(path, name), "FieldValueRequired", "Required value")
            continue
        given = value[name]
        if not isinstance(given, str):
            yield _invalid(field(path, name), given, "must be a string")
        elif not given:
            yield _invalid(field(path, name), given, "must not be empty")
        elif name == "apiVersion" and given.count("/") > 1:
            yield _invalid(field(path, name), given, f"unexpected GroupVersion string: {given}")
        elif name == "kind":
            wrong = list(names.dns_1035_label(given.lower()))
            if wrong:
                why = "may have mixed case, but should otherwise match: " + ",".join(wrong)
                yield _invalid(field(path, name), given, why)
    metadata = Part(value.get("metadata"), (f"{path}.metadata" if path else "metadata",))
    if isinstance(metadata.value, dict):
        for check, name in ((check_labels, "labels"), (check_annotations, "annotations")):
            for problem in check(metadata[name]):
                yield (field(str(metadata.path[0]), name), problem.reason, problem.message)


def _invalid(path: str, value: Any, why: str) -> Cause:
    return (path, "FieldValueInvalid", f"Invalid value: {shown(value)}: {why}")
