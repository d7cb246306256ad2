"""Types of rbac/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import meta_v1


class AggregationRule(TypedDict, total=False):
    clusterRoleSelectors: list[meta_v1.LabelSelector]


class ClusterRole(TypedDict, total=False):
    aggregationRule: AggregationRule
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    rules: list[PolicyRule]


class ClusterRoleBinding(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    roleRef: Required[RoleRef]
    subjects: list[Subject]


class PolicyRule(TypedDict, total=False):
    apiGroups: list[str]
    nonResourceURLs: list[str]
    resourceNames: list[str]
    resources: list[str]
    verbs: Required[list[str]]


class Role(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    rules: list[PolicyRule]


class RoleBinding(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    roleRef: Required[RoleRef]
    subjects: list[Subject]


class RoleRef(TypedDict, total=False):
    apiGroup: str
    kind: Required[str]
    name: Required[str]


class Subject(TypedDict, total=False):
    apiGroup: str
    kind: Required[str]
    name: Required[str]
    namespace: str
