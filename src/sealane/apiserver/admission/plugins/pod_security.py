"""PodSecurity: the pod security standards, by the labels of a namespace.

Source: https://kubernetes.io/docs/concepts/security/pod-security-admission/ and k8s.io/pod-security-admission
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.apiserver.errors import forbidden
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.objects import Raw

_LABEL = "pod-security.kubernetes.io/"
_TEMPLATES = {
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
}


def step(store: Store) -> Step:
    def check(attempt: Attempt) -> None:
        new = attempt.new
        if new is None or attempt.subresource not in ("", "ephemeralcontainers"):
            return
        namespace = store.head(("", "namespaces"), "", attempt.namespace)
        labels = namespace.object.raw["metadata"].get("labels") or {} if namespace is not None else {}
        levels = {mode: _level(labels, mode) for mode in ("enforce", "warn")}
        if not any(levels.values()):
            return
        pod = attempt.served.kind == kinds.POD  # refused; what has a template of pods is warned of
        spec = _spec_of(new)
        if spec is None or (pod and attempt.old is not None and spec == _spec_of(attempt.old)):
            return
        if pod and levels["enforce"]:
            said = _violations(levels["enforce"], new, spec)
            if said:
                why = f'violates PodSecurity "{levels["enforce"]}:{_version(labels, "enforce")}": {said}'
                raise forbidden(kinds.POD, attempt.name, why)
        if levels["warn"]:
            said = _violations(levels["warn"], new, spec)
            if said:
                attempt.options.warn(f'would violate PodSecurity "{levels["warn"]}:{_version(labels, "warn")}": {said}')

    return Step("PodSecurity", frozenset({("", "pods"), *_TEMPLATES}), check=check)


def _level(labels: Mapping[str, str], mode: str) -> str:
    """ "" for privileged, which is everything."""
    level = labels.get(_LABEL + mode, "")
    return level if level in ("baseline", "restricted") else ""


def _version(labels: Mapping[str, str], mode: str) -> str:
    return labels.get(f"{_LABEL}{mode}-version", "latest")


def _spec_of(raw: Raw) -> Raw | None:
    spec: Any = raw.get("spec")
    if raw.get("kind") == "CronJob":
        spec = ((spec or {}).get("jobTemplate") or {}).get("spec")
    if raw.get("kind") != "Pod":
        spec = ((spec or {}).get("template") or {}).get("spec")
    return spec if isinstance(spec, dict) else None


def _violations(level: str, raw: Raw, spec: Raw) -> str:
    from sealane.apiserver.admission.plugins import pod_security_standards  # few namespaces ask for it

    metadata = raw["metadata"] if raw.get("kind") == "Pod" else {}
    return ", ".join(pod_security_standards.violations(level, metadata, spec))
