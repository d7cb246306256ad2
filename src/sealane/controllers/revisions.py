"""Revisions of pod templates: hashes for names and labels, ControllerRevisions of StatefulSets and DaemonSets.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sealane.controllers.actions import Action, Create, Delete, Patch, owner_reference
from sealane.kube.kinds import CONTROLLERREVISION, Kind
from sealane.kube.objects import Object, Raw

POD_TEMPLATE_HASH = "pod-template-hash"
CONTROLLER_REVISION_HASH = "controller-revision-hash"
_HASH_LABEL = "controller.kubernetes.io/hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Mapping[str, Any], salt: int = 0) -> str:
    """Ten characters that follow from a pod template, in the alphabet of generated names."""
    text = json.dumps([template, salt], sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    found = ""
    for _ in range(10):
        number, index = divmod(number, len(_ALPHABET))
        found += _ALPHABET[index]
    return found


def same_template(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Are two pod templates equal, apart from the hash label that a Deployment adds?"""
    if one.get("spec") != other.get("spec"):
        return False
    metadata, other_metadata = one.get("metadata") or {}, other.get("metadata") or {}
    if (metadata.get("annotations") or {}) != (other_metadata.get("annotations") or {}):
        return False
    labels, other_labels = dict(metadata.get("labels") or {}), dict(other_metadata.get("labels") or {})
    labels.pop(POD_TEMPLATE_HASH, None)
    other_labels.pop(POD_TEMPLATE_HASH, None)
    return labels == other_labels


def revision_data(template: Mapping[str, Any]) -> Raw:
    """What a ControllerRevision keeps: the strategic merge patch that brings the template back, as kubectl does."""
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def revision_template(revision: Object) -> Mapping[str, Any]:
    data: Mapping[str, Any] = revision.raw.get("data") or {}
    template = dict((data.get("spec") or {}).get("template") or {})
    template.pop("$patch", None)
    return template


def number_of(revision: Object) -> int:
    return int(revision.raw.get("revision") or 0)


def update_revision(kind: Kind, owner: Object, revisions: Sequence[Object]) -> tuple[str, str, list[Action]]:
    """Name and hash of the ControllerRevision of the owner's template, and what makes it the newest one."""
    template = owner.spec.get("template") or {}
    data = revision_data(template)
    newest = max((number_of(each) for each in revisions), default=0)
    for each in sorted(revisions, key=number_of, reverse=True):
        if each.raw.get("data") == data:
            actions: list[Action] = []
            if number_of(each) < newest:  # a template that was used before is the newest again
                actions.append(Patch(CONTROLLERREVISION, each.namespace, each.name, {"revision": newest + 1}))
            return each.name, each.labels.get(_HASH_LABEL) or each.name.removeprefix(f"{owner.name}-"), actions
    taken = {each.name for each in revisions}
    salt = 0
    while f"{owner.name}-{template_hash(template, salt)}" in taken:
        salt += 1
    hash_ = template_hash(template, salt)
    name = f"{owner.name}-{hash_}"
    labels = {**((template.get("metadata") or {}).get("labels") or {}), _HASH_LABEL: hash_}
    raw: Raw = {
        "apiVersion": CONTROLLERREVISION.api_version,
        "kind": CONTROLLERREVISION.kind,
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(kind, owner)],
        },
        "data": data,
        "revision": newest + 1,
    }
    return name, hash_, [Create(CONTROLLERREVISION, raw)]


def forget_old(owner: Object, revisions: Sequence[Object], live: Iterable[str]) -> list[Action]:
    """Deletes revisions that nothing uses, beyond revisionHistoryLimit (10), the oldest first."""
    used = set(live)
    idle = sorted((each for each in revisions if each.name not in used and not each.deleting), key=number_of)
    limit = owner.spec.get("revisionHistoryLimit", 10)
    return [
        Delete(CONTROLLERREVISION, each.namespace, each.name, each.uid) for each in idle[: max(0, len(idle) - limit)]
    ]
