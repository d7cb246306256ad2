"""Types of batch/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from sealane.kube.shapes import core_v1, meta_v1, scheduling_v1alpha3


class CronJob(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[CronJobSpec]
    status: CronJobStatus


class CronJobSpec(TypedDict, total=False):
    concurrencyPolicy: Literal["Allow", "Forbid", "Replace"]
    failedJobsHistoryLimit: int
    jobTemplate: Required[JobTemplateSpec]
    schedule: Required[str]
    startingDeadlineSeconds: int
    successfulJobsHistoryLimit: int
    suspend: bool
    timeZone: str


class CronJobStatus(TypedDict, total=False):
    active: list[core_v1.ObjectReference]
    lastScheduleTime: str
    lastSuccessfulTime: str


class Job(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: JobSpec
    status: JobStatus


class JobCondition(TypedDict, total=False):
    lastProbeTime: str
    lastTransitionTime: str
    message: str
    reason: str
    status: Required[str]
    type: Required[str]


class JobSchedulingConfiguration(TypedDict, total=False):
    disruptionMode: scheduling_v1alpha3.WorkloadPodGroupDisruptionMode
    resourceClaims: list[scheduling_v1alpha3.WorkloadPodGroupResourceClaim]
    schedulingConstraints: scheduling_v1alpha3.WorkloadPodGroupSchedulingConstraints
    schedulingPolicy: scheduling_v1alpha3.WorkloadPodGroupSchedulingPolicy


class JobSpec(TypedDict, total=False):
    activeDeadlineSeconds: int
    backoffLimit: int
    backoffLimitPerIndex: int
    completionMode: Literal["NonIndexed", "Indexed"]
    completions: int
    managedBy: str
    manualSelector: bool
    maxFailedIndexes: int
    parallelism: int
    podFailurePolicy: PodFailurePolicy
    podReplacementPolicy: str
    scheduling: JobSchedulingConfiguration
    selector: meta_v1.LabelSelector
    successPolicy: SuccessPolicy
    suspend: bool
    template: Required[core_v1.PodTemplateSpec]
    ttlSecondsAfterFinished: int


class JobStatus(TypedDict, total=False):
    active: int
    completedIndexes: str
    completionTime: str
    conditions: list[JobCondition]
    failed: int
    failedIndexes: str
    ready: int
    startTime: str
    succeeded: int
    terminating: int
    uncountedTerminatedPods: UncountedTerminatedPods


class JobTemplateSpec(TypedDict, total=False):
    metadata: meta_v1.ObjectMeta
    spec: JobSpec


class PodFailurePolicy(TypedDict, total=False):
    rules: Required[list[PodFailurePolicyRule]]


class PodFailurePolicyOnExitCodesRequirement(TypedDict, total=False):
    containerName: str
    operator: Required[str]
    values: Required[list[int]]


class PodFailurePolicyOnPodConditionsPattern(TypedDict, total=False):
    status: str
    type: Required[str]


class PodFailurePolicyRule(TypedDict, total=False):
    action: Required[str]
    onExitCodes: PodFailurePolicyOnExitCodesRequirement
    onPodConditions: list[PodFailurePolicyOnPodConditionsPattern]


class SuccessPolicy(TypedDict, total=False):
    rules: Required[list[SuccessPolicyRule]]


class SuccessPolicyRule(TypedDict, total=False):
    succeededCount: int
    succeededIndexes: str


class UncountedTerminatedPods(TypedDict, total=False):
    failed: list[str]
    succeeded: list[str]
