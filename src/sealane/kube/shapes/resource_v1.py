"""Types of resource/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Any, Required, TypedDict

from sealane.kube.shapes import core_v1, meta_v1


class AllocatedDeviceStatus(TypedDict, total=False):
    conditions: list[meta_v1.Condition]
    data: Any
    device: Required[str]
    driver: Required[str]
    networkData: NetworkDeviceData
    pool: Required[str]
    shareID: str


class AllocationResult(TypedDict, total=False):
    allocationTimestamp: str
    devices: DeviceAllocationResult
    nodeSelector: core_v1.NodeSelector


class CELDeviceSelector(TypedDict, total=False):
    expression: Required[str]


class CapacityRequestPolicy(TypedDict, total=False):
    default: str | int | float
    validRange: CapacityRequestPolicyRange
    validValues: list[str | int | float]


class CapacityRequestPolicyRange(TypedDict, total=False):
    max: str | int | float
    min: Required[str | int | float]
    step: str | int | float


class CapacityRequirements(TypedDict, total=False):
    requests: dict[str, str | int | float]


class Counter(TypedDict, total=False):
    value: Required[str | int | float]


class CounterSet(TypedDict, total=False):
    counters: Required[dict[str, Counter]]
    name: Required[str]


class Device(TypedDict, total=False):
    allNodes: bool
    allowMultipleAllocations: bool
    attributes: dict[str, DeviceAttribute]
    bindingConditions: list[str]
    bindingFailureConditions: list[str]
    bindsToNode: bool
    capacity: dict[str, DeviceCapacity]
    consumesCounters: list[DeviceCounterConsumption]
    name: Required[str]
    nodeAllocatableResources: dict[str, NodeAllocatableResource]
    nodeName: str
    nodeSelector: core_v1.NodeSelector
    taints: list[DeviceTaint]


class DeviceAllocationConfiguration(TypedDict, total=False):
    opaque: OpaqueDeviceConfiguration
    requests: list[str]
    source: Required[str]


class DeviceAllocationResult(TypedDict, total=False):
    config: list[DeviceAllocationConfiguration]
    results: list[DeviceRequestAllocationResult]


class DeviceAttribute(TypedDict, total=False):
    bool: bool
    bools: list[bool]
    int: int
    ints: list[int]
    string: str
    strings: list[str]
    version: str
    versions: list[str]


class DeviceCapacity(TypedDict, total=False):
    requestPolicy: CapacityRequestPolicy
    value: Required[str | int | float]


class DeviceClaim(TypedDict, total=False):
    config: list[DeviceClaimConfiguration]
    constraints: list[DeviceConstraint]
    requests: list[DeviceRequest]


class DeviceClaimConfiguration(TypedDict, total=False):
    opaque: OpaqueDeviceConfiguration
    requests: list[str]


class DeviceClass(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: DeviceClassSpec


class DeviceClassConfiguration(TypedDict, total=False):
    opaque: OpaqueDeviceConfiguration


class DeviceClassSpec(TypedDict, total=False):
    config: list[DeviceClassConfiguration]
    extendedResourceName: str
    selectors: list[DeviceSelector]


class DeviceConstraint(TypedDict, total=False):
    distinctAttribute: str
    matchAttribute: str
    requests: list[str]


class DeviceCounterConsumption(TypedDict, total=False):
    compatibilityGroups: list[str]
    counterSet: Required[str]
    counters: Required[dict[str, Counter]]


class DeviceDerivedAttribute(TypedDict, total=False):
    expression: Required[str]
    name: Required[str]


class DeviceRequest(TypedDict, total=False):
    exactly: ExactDeviceRequest
    firstAvailable: list[DeviceSubRequest]
    name: Required[str]


class DeviceRequestAllocationResult(TypedDict, total=False):
    adminAccess: bool
    bindingConditions: list[str]
    bindingFailureConditions: list[str]
    consumedCapacity: dict[str, str | int | float]
    device: Required[str]
    driver: Required[str]
    pool: Required[str]
    request: Required[str]
    shareID: str
    skipNodeOperations: list[str]
    tolerations: list[DeviceToleration]


class DeviceSelector(TypedDict, total=False):
    cel: CELDeviceSelector


class DeviceSubRequest(TypedDict, total=False):
    allocationMode: str
    capacity: CapacityRequirements
    count: int
    derivedAttributes: list[DeviceDerivedAttribute]
    deviceClassName: Required[str]
    name: Required[str]
    selectors: list[DeviceSelector]
    tolerations: list[DeviceToleration]


class DeviceTaint(TypedDict, total=False):
    effect: Required[str]
    key: Required[str]
    timeAdded: str
    value: str


class DeviceTaintRule(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[DeviceTaintRuleSpec]
    status: DeviceTaintRuleStatus


class DeviceTaintRuleSpec(TypedDict, total=False):
    deviceSelector: DeviceTaintSelector
    taint: Required[DeviceTaint]


class DeviceTaintRuleStatus(TypedDict, total=False):
    conditions: list[meta_v1.Condition]


class DeviceTaintSelector(TypedDict, total=False):
    device: str
    driver: str
    pool: str


class DeviceToleration(TypedDict, total=False):
    effect: str
    key: str
    operator: str
    tolerationSeconds: int
    value: str


class ExactDeviceRequest(TypedDict, total=False):
    adminAccess: bool
    allocationMode: str
    capacity: CapacityRequirements
    count: int
    derivedAttributes: list[DeviceDerivedAttribute]
    deviceClassName: Required[str]
    selectors: list[DeviceSelector]
    tolerations: list[DeviceToleration]


class NetworkDeviceData(TypedDict, total=False):
    hardwareAddress: str
    interfaceName: str
    ips: list[str]


class NodeAllocatableMapping(TypedDict, total=False):
    capacityKey: str
    capacityMultiplier: str | int | float
    deviceMultiplier: str | int | float


class NodeAllocatableOverhead(TypedDict, total=False):
    perContainer: str | int | float
    perPod: str | int | float


class NodeAllocatableResource(TypedDict, total=False):
    mapping: NodeAllocatableMapping
    overhead: NodeAllocatableOverhead


class OpaqueDeviceConfiguration(TypedDict, total=False):
    driver: Required[str]
    parameters: Required[Any]


class ResourceClaim(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: ResourceClaimSpec
    status: ResourceClaimStatus


class ResourceClaimConsumerReference(TypedDict, total=False):
    apiGroup: str
    name: Required[str]
    resource: Required[str]
    uid: Required[str]


class ResourceClaimSpec(TypedDict, total=False):
    devices: DeviceClaim


class ResourceClaimStatus(TypedDict, total=False):
    allocation: AllocationResult
    devices: list[AllocatedDeviceStatus]
    reservedFor: list[ResourceClaimConsumerReference]


class ResourceClaimTemplate(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: ResourceClaimTemplateSpec


class ResourceClaimTemplateSpec(TypedDict, total=False):
    metadata: meta_v1.ObjectMeta
    spec: ResourceClaimSpec


class ResourcePool(TypedDict, total=False):
    generation: Required[int]
    name: Required[str]
    resourceSliceCount: Required[int]


class ResourceSlice(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[ResourceSliceSpec]


class ResourceSliceSpec(TypedDict, total=False):
    allNodes: bool
    devices: list[Device]
    driver: Required[str]
    nodeName: str
    nodeSelector: core_v1.NodeSelector
    partitionTypeAttribute: str
    perDeviceNodeSelection: bool
    pool: Required[ResourcePool]
    sharedCounters: list[CounterSet]
    skipNodeOperations: list[str]
