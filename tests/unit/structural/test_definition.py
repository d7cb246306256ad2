"""What a CustomResourceDefinition may say, and what it is told otherwise."""

# ruff: noqa: E501  (messages are shown as they are)

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from sealane.kube.objects import Raw
from sealane.kube.structural.definition import definition_causes, schema_causes

CRD: Raw = yaml.safe_load("""
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList, shortNames: [wd], categories: [all]}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
""")
LABEL = "a DNS-1035 label must consist of"


def changed(path: str, value: Any) -> Raw:
    """The definition with another value at a dotted path."""
    crd = deepcopy(CRD)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = crd
    for part in way:
        place = place[part]
    place[last] = value
    return crd


def said(causes: list[tuple[str, str, str]]) -> list[str]:
    return [f"{field}: {message}" for field, _, message in causes]


def test_one_that_is_right() -> None:
    assert definition_causes(CRD) == []


VERSION = CRD["spec"]["versions"][0]
SCALE = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spec.group", "example", 'spec.group: Invalid value: "example": should be a domain with at least one dot'),
        ("spec.group", "", "spec.group: Required value"),
        ("spec.scope", "All", 'spec.scope: Unsupported value: "All": supported values: "Cluster", "Namespaced"'),
        ("spec.names.plural", "Widgets", f'spec.names.plural: Invalid value: "Widgets": {LABEL}'),
        ("spec.names.kind", "", "spec.names.kind: Required value"),
        (
            "spec.names.listKind",
            "Widget",
            'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the',
        ),
        ("spec.names.shortNames", ["W"], f'spec.names.shortNames[0]: Invalid value: "W": {LABEL}'),
        ("metadata.name", "x", 'metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group'),
        ("spec.versions.0.name", "1", f'spec.versions[0].name: Invalid value: "1": {LABEL}'),
        ("spec.versions.0.storage", False, "must have exactly one version marked as storage version"),
        ("spec.versions", [VERSION, VERSION], "must contain unique version names"),
        ("spec.versions.0.deprecationWarning", "old", "can only be set for deprecated versions"),
        ("spec.versions.0.schema", {}, "spec.versions[0].schema.openAPIV3Schema: Required value"),
        ("spec.conversion", {"strategy": "Magic"}, 'spec.conversion.strategy: Unsupported value: "Magic"'),
        (
            "spec.conversion",
            {"strategy": "Webhook"},
            "spec.conversion.webhookClientConfig: Required value: required when",
        ),
        ("spec.preserveUnknownFields", True, "spec.preserveUnknownFields: Invalid value: true: cannot set to true"),
        (
            "spec.versions.0.additionalPrinterColumns",
            [{"name": "A", "type": "text", "jsonPath": "spec"}],
            'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
        ),
        (
            "spec.versions.0.additionalPrinterColumns",
            [{"name": "A", "type": "string", "jsonPath": "spec"}],
            'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with .',
        ),
        (
            "spec.versions.0.subresources",
            {"scale": {**SCALE, "specReplicasPath": ".status.n"}},
            'spec.subresources.scale.specReplicasPath: Invalid value: ".status.n": should be a json path under .spec',
        ),
        (
            "spec.versions.0.selectableFields",
            [{"jsonPath": ".spec.size"}],
            'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.size": is an invalid path: does not refer',
        ),
    ],
)
def test_definitions_that_are_refused(path: str, value: Any, message: str) -> None:
    found = said(definition_causes(changed(path, value)))
    assert any(message in each for each in found), found


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (None, "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval"),
        ("yes", 'with either a URL or a reason starting with "unapproved"'),
        ("https://github.com/kubernetes/enhancements/pull/1", ""),
        ("unapproved, for tests", ""),
    ],
)
def test_groups_of_kubernetes_are_approved(annotation: str | None, message: str) -> None:
    crd = changed("spec.group", "x.k8s.io")
    crd["metadata"] = {"name": "widgets.x.k8s.io", "annotations": {"api-approved.kubernetes.io": annotation}}
    found = said(definition_causes(crd))
    assert (message in found[0]) if message else found == []


def test_what_does_not_change() -> None:
    old = {**CRD, "status": {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1", "v0"]}}
    assert said(definition_causes(changed("spec.scope", "Cluster"), old)) == [
        'spec.scope: Invalid value: "Cluster": field is immutable',
        'status.storedVersions[1]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage version, '
        "and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes "
        "v0 from status.storedVersions",
    ]


@pytest.mark.parametrize(
    ("schema", "messages"),
    [
        ("{}", ["s.type: Required value: must not be empty at the root"]),
        ("{type: array, items: {type: string}}", ['s.type: Invalid value: "array": must be object at the root']),
        (
            "{type: object, properties: {a: {}, b: {type: array}}}",
            [
                "s.properties[a].type: Required value: must not be empty for specified object fields",
                "s.properties[b].items: Required value: must be specified",
            ],
        ),
        (
            "{type: object, anyOf: [{properties: {a: {type: string}}}]}",
            [
                "s.anyOf[0].properties[a].type: Forbidden: must be empty to be structural",
                "s.properties[a]: Required value: because it is defined in s.anyOf[0].properties[a]",
            ],
        ),
        (
            "{type: object, properties: {metadata: {type: object, properties: {labels: {type: object}}}}}",
            [
                "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
                "metadata is implicitly specified"
            ],
        ),
        (
            "{type: object, properties: {a: {type: string, pattern: '['}}}",
            [
                's.properties[a].pattern: Invalid value: "[": must be a valid regular expression, but isn\'t: error parsing'
            ],
        ),
        (
            "{type: object, properties: {a: {type: text}, b: {type: array, uniqueItems: true, items: {type: string}}}}",
            [
                's.properties[a].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "null", '
                '"number", "object", "string"',
                "s.properties[b].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity",
            ],
        ),
        (
            "{type: object, properties: {a: {type: integer, default: x}, b: {type: object, default: {c: 1}}}}",
            [
                's.properties[a].default: Invalid value: "string":  in body must be of type integer: "string"',
                's.properties[b].default: Invalid value: {"c":1}: must not have unknown fields',
            ],
        ),
        (
            "{type: object, properties: {a: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k, x],"
            " items: {type: object, properties: {k: {type: string}}}}}}",
            [
                's.properties[a].x-kubernetes-list-map-keys: Invalid value: ["k","x"]: entries must all be names of item',
                "s.properties[a].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-",
            ],
        ),
        (
            "{type: object, properties: {a: {type: string, x-kubernetes-validations: [{rule: self.x}, {rule: ' '},"
            " {rule: 'self == oldSelf', reason: Bad}, {rule: self != '', optionalOldSelf: true}]}}}",
            [
                "s.properties[a].x-kubernetes-validations[1].rule: Required value: rule is not specified",
                's.properties[a].x-kubernetes-validations[2].reason: Unsupported value: "Bad": supported values: ',
            ],
        ),
        (
            "{type: object, properties: {a: {type: string, x-kubernetes-validations: [{rule: self.x},"
            " {rule: self != '', optionalOldSelf: true}, {rule: self != '', messageExpression: '1 +'}]}}}",
            [
                's.properties[a].x-kubernetes-validations[0].rule: Invalid value: {"rule":"self.x"}: compilation failed: ERROR',
                "s.properties[a].x-kubernetes-validations[1].optionalOldSelf: Invalid value: true: may not be set if oldSelf",
                's.properties[a].x-kubernetes-validations[2].messageExpression: Invalid value: {"messageExpression":"1 +"',
            ],
        ),
        (
            "{type: object, properties: {a: {type: array, maxItems: 9, items: {type: string, maxLength: 9, x-kubernetes-validations:"
            " [{rule: self == oldSelf}]}}}}",
            [
                's.properties[a].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be '
                "used on the uncorrelatable portion of the schema within s.properties[a]"
            ],
        ),
        (
            "{type: object, properties: {a: {type: object, x-kubernetes-validations: [{rule: 'true', fieldPath: .b}]}}}",
            ['s.properties[a].x-kubernetes-validations[0].fieldPath: Invalid value: ".b": must be a valid path'],
        ),
        ("{type: object, x-kubernetes-preserve-unknown-fields: false}", ["must be true or undefined"]),
        (
            "{type: object, additionalProperties: {type: string}}",
            ["s.additionalProperties: Forbidden: must not be used at"],
        ),
    ],
)
def test_schemas_that_are_refused(schema: str, messages: list[str]) -> None:
    found = said(schema_causes(yaml.safe_load(schema), "s"))
    assert len(found) == len(messages), found
    assert all(message in each for message, each in zip(messages, found, strict=True)), found
