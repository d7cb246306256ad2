"""Types of storage/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import core_v1, meta_v1


class CSIDriver(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[CSIDriverSpec]


class CSIDriverSpec(TypedDict, total=False):
    attachRequired: bool
    fsGroupPolicy: str
    nodeAllocatableUpdatePeriodSeconds: int
    podInfoOnMount: bool
    preventPodSchedulingIfMissing: bool
    requiresRepublish: bool
    seLinuxMount: bool
    serviceAccountTokenInSecrets: bool
    storageCapacity: bool
    tokenRequests: list[TokenRequest]
    volumeLifecycleModes: list[str]


class CSINode(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[CSINodeSpec]
    status: CSINodeStatus


class CSINodeDriver(TypedDict, total=False):
    allocatable: VolumeNodeResources
    name: Required[str]
    nodeID: Required[str]
    topologyKeys: list[str]


class CSINodeSpec(TypedDict, total=False):
    drivers: Required[list[CSINodeDriver]]


class CSINodeStatus(TypedDict, total=False):
    storageHealth: list[StorageHealth]


class CSIStorageCapacity(TypedDict, total=False):
    apiVersion: str
    capacity: str | int | float
    kind: str
    maximumVolumeSize: str | int | float
    metadata: meta_v1.ObjectMeta
    nodeTopology: meta_v1.LabelSelector
    storageClassName: Required[str]


class StorageClass(TypedDict, total=False):
    allowVolumeExpansion: bool
    allowedTopologies: list[core_v1.TopologySelectorTerm]
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    mountOptions: list[str]
    parameters: dict[str, str]
    provisioner: Required[str]
    reclaimPolicy: str
    volumeBindingMode: str


class StorageHealth(TypedDict, total=False):
    healthConditions: list[StorageHealthCondition]
    name: Required[str]


class StorageHealthCondition(TypedDict, total=False):
    accessMode: str
    lastTransitionTime: str
    message: str
    reason: Required[str]
    status: Required[str]
    volumeMode: str


class TokenRequest(TypedDict, total=False):
    audience: Required[str]
    expirationSeconds: int


class VolumeAttachment(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[VolumeAttachmentSpec]
    status: VolumeAttachmentStatus


class VolumeAttachmentSource(TypedDict, total=False):
    inlineVolumeSpec: core_v1.PersistentVolumeSpec
    persistentVolumeName: str


class VolumeAttachmentSpec(TypedDict, total=False):
    attacher: Required[str]
    nodeName: Required[str]
    source: Required[VolumeAttachmentSource]


class VolumeAttachmentStatus(TypedDict, total=False):
    attachError: VolumeError
    attached: Required[bool]
    attachmentMetadata: dict[str, str]
    detachError: VolumeError


class VolumeAttributesClass(TypedDict, total=False):
    apiVersion: str
    driverName: Required[str]
    kind: str
    metadata: meta_v1.ObjectMeta
    parameters: dict[str, str]


class VolumeError(TypedDict, total=False):
    errorCode: int
    message: str
    time: str


class VolumeNodeResources(TypedDict, total=False):
    count: int
