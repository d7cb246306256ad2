"""Types of scheduling/v1alpha3.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Any, Required, TypedDict


class TopologyConstraint(TypedDict, total=False):
    key: Required[str]


class WorkloadPodGroupDisruptionMode(TypedDict, total=False):
    all: Any
    single: Any


class WorkloadPodGroupGangSchedulingPolicy(TypedDict, total=False):
    minCount: int


class WorkloadPodGroupResourceClaim(TypedDict, total=False):
    name: Required[str]
    resourceClaimName: str
    resourceClaimTemplateName: str


class WorkloadPodGroupSchedulingConstraints(TypedDict, total=False):
    topology: list[TopologyConstraint]


class WorkloadPodGroupSchedulingPolicy(TypedDict, total=False):
    basic: Any
    gang: WorkloadPodGroupGangSchedulingPolicy
