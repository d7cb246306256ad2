"""Types of admissionregistration/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import meta_v1


class ApplyConfiguration(TypedDict, total=False):
    expression: str


class AuditAnnotation(TypedDict, total=False):
    key: Required[str]
    valueExpression: Required[str]


class ExpressionWarning(TypedDict, total=False):
    fieldRef: Required[str]
    warning: Required[str]


class JSONPatch(TypedDict, total=False):
    expression: str


class MatchCondition(TypedDict, total=False):
    expression: Required[str]
    name: Required[str]


class MatchResources(TypedDict, total=False):
    excludeResourceRules: list[NamedRuleWithOperations]
    matchPolicy: str
    namespaceSelector: meta_v1.LabelSelector
    objectSelector: meta_v1.LabelSelector
    resourceRules: list[NamedRuleWithOperations]


class MutatingAdmissionPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: MutatingAdmissionPolicySpec


class MutatingAdmissionPolicyBinding(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: MutatingAdmissionPolicyBindingSpec


class MutatingAdmissionPolicyBindingSpec(TypedDict, total=False):
    matchResources: MatchResources
    paramRef: ParamRef
    policyName: str


class MutatingAdmissionPolicySpec(TypedDict, total=False):
    failurePolicy: str
    matchConditions: list[MatchCondition]
    matchConstraints: MatchResources
    mutations: list[Mutation]
    paramKind: ParamKind
    reinvocationPolicy: str
    variables: list[Variable]


class MutatingWebhook(TypedDict, total=False):
    admissionReviewVersions: Required[list[str]]
    clientConfig: Required[WebhookClientConfig]
    failurePolicy: str
    matchConditions: list[MatchCondition]
    matchPolicy: str
    name: Required[str]
    namespaceSelector: meta_v1.LabelSelector
    objectSelector: meta_v1.LabelSelector
    reinvocationPolicy: str
    rules: list[RuleWithOperations]
    sideEffects: Required[str]
    timeoutSeconds: int


class MutatingWebhookConfiguration(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    webhooks: list[MutatingWebhook]


class Mutation(TypedDict, total=False):
    applyConfiguration: ApplyConfiguration
    jsonPatch: JSONPatch
    patchType: Required[str]


class NamedRuleWithOperations(TypedDict, total=False):
    apiGroups: list[str]
    apiVersions: list[str]
    operations: list[str]
    resourceNames: list[str]
    resources: list[str]
    scope: str


class ParamKind(TypedDict, total=False):
    apiVersion: str
    kind: str


class ParamRef(TypedDict, total=False):
    name: str
    namespace: str
    parameterNotFoundAction: str
    selector: meta_v1.LabelSelector


class RuleWithOperations(TypedDict, total=False):
    apiGroups: list[str]
    apiVersions: list[str]
    operations: list[str]
    resources: list[str]
    scope: str


class ServiceReference(TypedDict, total=False):
    name: Required[str]
    namespace: Required[str]
    path: str
    port: int


class TypeChecking(TypedDict, total=False):
    expressionWarnings: list[ExpressionWarning]


class ValidatingAdmissionPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: ValidatingAdmissionPolicySpec
    status: ValidatingAdmissionPolicyStatus


class ValidatingAdmissionPolicyBinding(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[ValidatingAdmissionPolicyBindingSpec]


class ValidatingAdmissionPolicyBindingSpec(TypedDict, total=False):
    matchResources: MatchResources
    paramRef: ParamRef
    policyName: Required[str]
    validationActions: Required[list[str]]


class ValidatingAdmissionPolicySpec(TypedDict, total=False):
    auditAnnotations: list[AuditAnnotation]
    failurePolicy: str
    matchConditions: list[MatchCondition]
    matchConstraints: MatchResources
    paramKind: ParamKind
    validations: list[Validation]
    variables: list[Variable]


class ValidatingAdmissionPolicyStatus(TypedDict, total=False):
    conditions: list[meta_v1.Condition]
    observedGeneration: int
    typeChecking: TypeChecking


class ValidatingWebhook(TypedDict, total=False):
    admissionReviewVersions: Required[list[str]]
    clientConfig: Required[WebhookClientConfig]
    failurePolicy: str
    matchConditions: list[MatchCondition]
    matchPolicy: str
    name: Required[str]
    namespaceSelector: meta_v1.LabelSelector
    objectSelector: meta_v1.LabelSelector
    rules: list[RuleWithOperations]
    sideEffects: Required[str]
    timeoutSeconds: int


class ValidatingWebhookConfiguration(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    webhooks: list[ValidatingWebhook]


class Validation(TypedDict, total=False):
    expression: Required[str]
    message: str
    messageExpression: str
    reason: str


class Variable(TypedDict, total=False):
    expression: Required[str]
    name: Required[str]


class WebhookClientConfig(TypedDict, total=False):
    caBundle: str
    service: ServiceReference
    url: str
