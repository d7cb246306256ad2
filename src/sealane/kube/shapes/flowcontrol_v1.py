"""Types of flowcontrol/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import meta_v1


class ExemptPriorityLevelConfiguration(TypedDict, total=False):
    lendablePercent: int
    nominalConcurrencyShares: int


class FlowDistinguisherMethod(TypedDict, total=False):
    type: Required[str]


class FlowSchema(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[FlowSchemaSpec]
    status: FlowSchemaStatus


class FlowSchemaCondition(TypedDict, total=False):
    lastTransitionTime: str
    message: str
    reason: str
    status: str
    type: Required[str]


class FlowSchemaSpec(TypedDict, total=False):
    distinguisherMethod: FlowDistinguisherMethod
    matchingPrecedence: int
    priorityLevelConfiguration: Required[PriorityLevelConfigurationReference]
    rules: list[PolicyRulesWithSubjects]


class FlowSchemaStatus(TypedDict, total=False):
    conditions: list[FlowSchemaCondition]


class GroupSubject(TypedDict, total=False):
    name: Required[str]


class LimitResponse(TypedDict, total=False):
    queuing: QueuingConfiguration
    type: Required[str]


class LimitedPriorityLevelConfiguration(TypedDict, total=False):
    borrowingLimitPercent: int
    lendablePercent: int
    limitResponse: Required[LimitResponse]
    nominalConcurrencyShares: int


class NonResourcePolicyRule(TypedDict, total=False):
    nonResourceURLs: Required[list[str]]
    verbs: Required[list[str]]


class PolicyRulesWithSubjects(TypedDict, total=False):
    nonResourceRules: list[NonResourcePolicyRule]
    resourceRules: list[ResourcePolicyRule]
    subjects: Required[list[Subject]]


class PriorityLevelConfiguration(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[PriorityLevelConfigurationSpec]
    status: PriorityLevelConfigurationStatus


class PriorityLevelConfigurationCondition(TypedDict, total=False):
    lastTransitionTime: str
    message: str
    reason: str
    status: str
    type: Required[str]


class PriorityLevelConfigurationReference(TypedDict, total=False):
    name: Required[str]


class PriorityLevelConfigurationSpec(TypedDict, total=False):
    exempt: ExemptPriorityLevelConfiguration
    limited: LimitedPriorityLevelConfiguration
    type: Required[str]


class PriorityLevelConfigurationStatus(TypedDict, total=False):
    conditions: list[PriorityLevelConfigurationCondition]


class QueuingConfiguration(TypedDict, total=False):
    handSize: int
    queueLengthLimit: int
    queues: int


class ResourcePolicyRule(TypedDict, total=False):
    apiGroups: Required[list[str]]
    clusterScope: bool
    namespaces: list[str]
    resources: Required[list[str]]
    verbs: Required[list[str]]


class ServiceAccountSubject(TypedDict, total=False):
    name: Required[str]
    namespace: Required[str]


class Subject(TypedDict, total=False):
    group: GroupSubject
    kind: Required[str]
    serviceAccount: ServiceAccountSubject
    user: UserSubject


class UserSubject(TypedDict, total=False):
    name: Required[str]
