"""Types of apiregistration/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import meta_v1


class APIService(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: APIServiceSpec
    status: APIServiceStatus


class APIServiceCondition(TypedDict, total=False):
    lastTransitionTime: str
    message: str
    reason: str
    status: Required[str]
    type: Required[str]


class APIServiceSpec(TypedDict, total=False):
    caBundle: str
    group: str
    groupPriorityMinimum: Required[int]
    insecureSkipTLSVerify: bool
    service: ServiceReference
    version: str
    versionPriority: Required[int]


class APIServiceStatus(TypedDict, total=False):
    conditions: list[APIServiceCondition]


class ServiceReference(TypedDict, total=False):
    name: str
    namespace: str
    port: int
