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
    text = json.dumps([_meaning(template), salt], sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    found = ""
    for _ in range(10):
        number, index = divmod(number, len(_ALPHABET))
        found += _ALPHABET[index]
    return found


def same_template(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Do two pod templates mean the same, apart from the hash label that a Deployment adds?

    Clients that know the types (kubectl, client-go) send empty values where others send none: `resources: {}`,
    `creationTimestamp: null`. They make no difference.
    """
    return one == other or _meaning(one) == _meaning(other)


def _meaning(template: Mapping[str, Any]) -> Any:
    metadata = dict(template.get("metadata") or {})
    labels = {key: text for key, text in (metadata.get("labels") or {}).items() if key != POD_TEMPLATE_HASH}
    annotations = metadata.get("annotations") or {}
    # Labels and annotations may be empty strings and mean it.
    return labels, annotations, _filled({**template, "metadata": {}})


def _filled(value: Any) -> Any:
    """`value` without what is empty; None when nothing is left. False counts as empty where it is the only default."""
    if isinstance(value, Mapping):
        fields = {
            key: kept
            for key, field in value.items()
            if (kept := _filled(field)) is not None and not (kept is False and key in _FALSE)
        }
        return fields or None
    if isinstance(value, (list, tuple)):
        return [_filled(each) for each in value] or None
    return None if value == "" else value


_FALSE = frozenset({"hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "setHostnameAsFQDN"})
"""Fields whose unset value is false. Others (allowPrivilegeEscalation, enableServiceLinks, …) tell unset from false."""


def revision_data(template: Mapping[str, Any]) -> Raw:
    """The data of a ControllerRevision: the strategic merge patch that brings the template back, as kubectl does."""
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
    newest = max((number_of(each) for each in revisions), default=0)
    for each in sorted(revisions, key=number_of, reverse=True):
        if same_template(revision_template(each), template):
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
        "data": revision_data(template),
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
