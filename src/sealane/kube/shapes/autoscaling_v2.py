"""Types of autoscaling/v2.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import meta_v1


class ContainerResourceMetricSource(TypedDict, total=False):
    container: Required[str]
    name: Required[str]
    target: Required[MetricTarget]


class ContainerResourceMetricStatus(TypedDict, total=False):
    container: Required[str]
    current: Required[MetricValueStatus]
    name: Required[str]


class CrossVersionObjectReference(TypedDict, total=False):
    apiVersion: str
    kind: Required[str]
    name: Required[str]


class ExternalMetricSource(TypedDict, total=False):
    metric: Required[MetricIdentifier]
    target: Required[MetricTarget]


class ExternalMetricStatus(TypedDict, total=False):
    current: Required[MetricValueStatus]
    metric: Required[MetricIdentifier]


class HPAScalingPolicy(TypedDict, total=False):
    periodSeconds: Required[int]
    type: Required[str]
    value: Required[int]


class HPAScalingRules(TypedDict, total=False):
    policies: list[HPAScalingPolicy]
    selectPolicy: str
    stabilizationWindowSeconds: int
    tolerance: str | int | float


class HorizontalPodAutoscaler(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[HorizontalPodAutoscalerSpec]
    status: HorizontalPodAutoscalerStatus


class HorizontalPodAutoscalerBehavior(TypedDict, total=False):
    scaleDown: HPAScalingRules
    scaleUp: HPAScalingRules


class HorizontalPodAutoscalerCondition(TypedDict, total=False):
    lastTransitionTime: str
    message: str
    observedGeneration: int
    reason: str
    status: Required[str]
    type: Required[str]


class HorizontalPodAutoscalerSpec(TypedDict, total=False):
    behavior: HorizontalPodAutoscalerBehavior
    maxReplicas: Required[int]
    metrics: list[MetricSpec]
    minReplicas: int
    scaleTargetRef: Required[CrossVersionObjectReference]


class HorizontalPodAutoscalerStatus(TypedDict, total=False):
    conditions: list[HorizontalPodAutoscalerCondition]
    currentMetrics: list[MetricStatus]
    currentReplicas: int
    desiredReplicas: Required[int]
    lastScaleTime: str
    observedGeneration: int


class MetricIdentifier(TypedDict, total=False):
    name: Required[str]
    selector: meta_v1.LabelSelector


class MetricSpec(TypedDict, total=False):
    containerResource: ContainerResourceMetricSource
    external: ExternalMetricSource
    object: ObjectMetricSource
    pods: PodsMetricSource
    resource: ResourceMetricSource
    type: Required[str]


class MetricStatus(TypedDict, total=False):
    containerResource: ContainerResourceMetricStatus
    external: ExternalMetricStatus
    object: ObjectMetricStatus
    pods: PodsMetricStatus
    resource: ResourceMetricStatus
    type: Required[str]


class MetricTarget(TypedDict, total=False):
    averageUtilization: int
    averageValue: str | int | float
    type: Required[str]
    value: str | int | float


class MetricValueStatus(TypedDict, total=False):
    averageUtilization: int
    averageValue: str | int | float
    value: str | int | float


class ObjectMetricSource(TypedDict, total=False):
    describedObject: Required[CrossVersionObjectReference]
    metric: Required[MetricIdentifier]
    target: Required[MetricTarget]


class ObjectMetricStatus(TypedDict, total=False):
    current: Required[MetricValueStatus]
    describedObject: Required[CrossVersionObjectReference]
    metric: Required[MetricIdentifier]


class PodsMetricSource(TypedDict, total=False):
    metric: Required[MetricIdentifier]
    target: Required[MetricTarget]


class PodsMetricStatus(TypedDict, total=False):
    current: Required[MetricValueStatus]
    metric: Required[MetricIdentifier]


class ResourceMetricSource(TypedDict, total=False):
    name: Required[str]
    target: Required[MetricTarget]


class ResourceMetricStatus(TypedDict, total=False):
    current: Required[MetricValueStatus]
    name: Required[str]
