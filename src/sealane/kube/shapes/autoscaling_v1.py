"""Types of autoscaling/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import meta_v1


class CrossVersionObjectReference(TypedDict, total=False):
    apiVersion: str
    kind: Required[str]
    name: Required[str]


class HorizontalPodAutoscaler(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[HorizontalPodAutoscalerSpec]
    status: HorizontalPodAutoscalerStatus


class HorizontalPodAutoscalerSpec(TypedDict, total=False):
    maxReplicas: Required[int]
    minReplicas: int
    scaleTargetRef: Required[CrossVersionObjectReference]
    targetCPUUtilizationPercentage: int


class HorizontalPodAutoscalerStatus(TypedDict, total=False):
    currentCPUUtilizationPercentage: int
    currentReplicas: Required[int]
    desiredReplicas: Required[int]
    lastScaleTime: str
    observedGeneration: int
