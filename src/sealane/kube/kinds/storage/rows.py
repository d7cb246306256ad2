"""The definitions of volumes, claims and their classes."""

from __future__ import annotations

from sealane.kube import kinds
from sealane.kube.kinds import PERSISTENTVOLUME, PERSISTENTVOLUMECLAIM, STORAGECLASS
from sealane.kube.kinds.definition import Definition, Usage
from sealane.kube.kinds.pods.defaults import claim
from sealane.kube.kinds.storage import changes, checks, columns
from sealane.kube.kinds.storage.defaults import driver
from sealane.kube.kinds.storage.usage import usage


def _is_of_claims(name: str) -> bool:
    return name == "requests.storage" or ".storageclass.storage.k8s.io/" in name


ROWS = (
    Definition(
        kind=PERSISTENTVOLUME,
        checks=checks.check_volume,
        shown_when_deleted=True,
        columns=columns.VOLUME,
    ),
    Definition(
        kind=PERSISTENTVOLUMECLAIM,
        defaults=claim,
        checks=checks.check_claim,
        changes={"": changes.check_claim_change},
        shown_when_deleted=True,
        columns=columns.CLAIM,
        usage=Usage("persistentvolumeclaims", usage, _is_of_claims),
    ),
    Definition(
        kind=STORAGECLASS,
        checks=checks.check_storage_class,
        changes={"": changes.check_class_change},
        shown_when_deleted=True,
    ),
    Definition(
        kind=kinds.CSIDRIVER,
        defaults=driver,
        checks=checks.check_driver,
        fixed=(("spec", "attachRequired"), ("spec", "volumeLifecycleModes")),
        columns=columns.DRIVER,
    ),
    Definition(kind=kinds.CSINODE, checks=checks.check_driver_node, columns=columns.DRIVER_NODE),
    Definition(
        kind=kinds.CSISTORAGECAPACITY,
        checks=checks.check_storage_capacity,
        fixed=(("nodeTopology",), ("storageClassName",)),
    ),
    Definition(
        kind=kinds.VOLUMEATTACHMENT,
        checks=checks.check_attachment,
        fixed=(("spec",),),
        columns=columns.ATTACHMENT,
    ),
    Definition(
        kind=kinds.VOLUMEATTRIBUTESCLASS,
        checks=checks.check_attributes_class,
        fixed=(("driverName",), ("parameters",)),
        columns=columns.ATTRIBUTES_CLASS,
    ),
)
