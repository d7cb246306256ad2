"""ServiceAccount: a pod runs as one that exists, and finds its credentials mounted.

Sources: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ (the admission controller) and
k8s.io/kubernetes/plugin/pkg/admission/serviceaccount
"""

from __future__ import annotations

import random
from typing import Any

from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.apiserver.errors import forbidden
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.objects import Raw

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_SECONDS = 3607
"""An hour and seven seconds, by which upstream knows the tokens that it mounted itself."""
_MIRROR = "kubernetes.io/config.mirror"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_CONTAINERS = ("initContainers", "containers")


def step(store: Store) -> Step:
    def mutate(attempt: Attempt) -> Raw:
        new = attempt.new
        assert new is not None
        if attempt.operation != "CREATE" or _MIRROR in (new["metadata"].get("annotations") or {}):
            return new
        spec = dict(new.get("spec") or {})
        name = spec.get("serviceAccountName") or "default"
        found = store.head(("", "serviceaccounts"), attempt.namespace, name)
        if found is None:
            why = (
                f"error looking up service account {attempt.namespace}/{name}: "
                f'{kinds.SERVICEACCOUNT.singular} "{name}" not found'
            )
            raise forbidden(kinds.POD, attempt.name, why)
        account = found.object.raw
        spec |= {"serviceAccountName": name, "serviceAccount": name}
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = account["imagePullSecrets"]
        mounts = spec.get("automountServiceAccountToken")
        if mounts is None:
            mounts = account.get("automountServiceAccountToken", True)
        return {**new, "spec": _with_token(spec, new["metadata"].get("uid", "")) if mounts else spec}

    return Step("ServiceAccount", frozenset({("", "pods")}), mutate=mutate)


def _with_token(spec: Raw, uid: str) -> Raw:
    """`spec` with the token mounted in each container that has nothing of its own there."""
    letters = random.Random(uid)  # the same however often this pod is looked at
    volumes = _listed(spec, "volumes")
    name = next((each["name"] for each in volumes if str(each.get("name")).startswith("kube-api-access-")), "")
    volume = name or "kube-api-access-" + "".join(letters.choices(_LETTERS, k=5))
    mount = {"name": volume, "readOnly": True, "mountPath": TOKEN_PATH}
    spec, mounted = dict(spec), False
    for field in _CONTAINERS:
        containers = []
        for container in spec.get(field) or ():
            own = _listed(container, "volumeMounts")
            if all(each.get("mountPath") != TOKEN_PATH for each in own):
                container, mounted = {**container, "volumeMounts": [*own, mount]}, True
            containers.append(container)
        if containers:
            spec[field] = containers
    if mounted and not name:
        spec["volumes"] = [*volumes, _volume(volume)]
    return spec


def _listed(part: Raw, name: str) -> list[Any]:
    """A list that may be left out. Raises TypeError for anything else, so that it is checked and refused."""
    value = part.get(name)
    if not isinstance(value, list | None):
        raise TypeError(name)
    return value or []


def _volume(name: str) -> Raw:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": _SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"defaultMode": 0o644, "sources": sources}}
