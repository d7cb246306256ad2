"""Types of apiextensions/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Any, Required, TypedDict

from sealane.kube.shapes import meta_v1


class CustomResourceColumnDefinition(TypedDict, total=False):
    description: str
    format: str
    jsonPath: Required[str]
    name: Required[str]
    priority: int
    type: Required[str]


class CustomResourceConversion(TypedDict, total=False):
    strategy: Required[str]
    webhook: WebhookConversion


class CustomResourceDefinition(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[CustomResourceDefinitionSpec]
    status: CustomResourceDefinitionStatus


class CustomResourceDefinitionCondition(TypedDict, total=False):
    lastTransitionTime: str
    message: str
    observedGeneration: int
    reason: str
    status: Required[str]
    type: Required[str]


class CustomResourceDefinitionNames(TypedDict, total=False):
    categories: list[str]
    kind: Required[str]
    listKind: str
    plural: Required[str]
    shortNames: list[str]
    singular: str


class CustomResourceDefinitionSpec(TypedDict, total=False):
    conversion: CustomResourceConversion
    group: Required[str]
    names: Required[CustomResourceDefinitionNames]
    preserveUnknownFields: bool
    scope: Required[str]
    versions: Required[list[CustomResourceDefinitionVersion]]


class CustomResourceDefinitionStatus(TypedDict, total=False):
    acceptedNames: CustomResourceDefinitionNames
    conditions: list[CustomResourceDefinitionCondition]
    observedGeneration: int
    storedVersions: list[str]


class CustomResourceDefinitionVersion(TypedDict, total=False):
    additionalPrinterColumns: list[CustomResourceColumnDefinition]
    deprecated: bool
    deprecationWarning: str
    name: Required[str]
    schema: CustomResourceValidation
    selectableFields: list[SelectableField]
    served: Required[bool]
    storage: Required[bool]
    subresources: CustomResourceSubresources


class CustomResourceSubresourceScale(TypedDict, total=False):
    labelSelectorPath: str
    specReplicasPath: Required[str]
    statusReplicasPath: Required[str]


class CustomResourceSubresources(TypedDict, total=False):
    scale: CustomResourceSubresourceScale
    status: Any


class CustomResourceValidation(TypedDict, total=False):
    openAPIV3Schema: Any


class SelectableField(TypedDict, total=False):
    jsonPath: Required[str]


class ServiceReference(TypedDict, total=False):
    name: Required[str]
    namespace: Required[str]
    path: str
    port: int


class WebhookClientConfig(TypedDict, total=False):
    caBundle: str
    service: ServiceReference
    url: str


class WebhookConversion(TypedDict, total=False):
    clientConfig: WebhookClientConfig
    conversionReviewVersions: Required[list[str]]
