"""The kind of a manifest: served here, defined by a CustomResourceDefinition, replaced by another, or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from sealane.kube import kinds
from sealane.kube.kinds import Kind, version_order
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, quoted

Served = Mapping[tuple[str, str], Kind]
"""(apiVersion, kind) -> Kind."""

BUILTIN: Served = {(kind.api_version, kind.kind): kind for kind in kinds.KNOWN}

_NOTES = {
    "Ingress": "; there backend.serviceName is backend.service.name and every path needs a pathType",
    "CronJob": "",
}
_GONE = {
    "PodSecurityPolicy": "was removed in Kubernetes 1.25 (Pod Security Admission took its place); leave it out",
    "ComponentStatus": "cannot be applied; leave it out",
}


def definitions(raws: Iterable[Raw]) -> Served:
    """The kinds that the CustomResourceDefinitions among `raws` define, every version."""
    found: dict[tuple[str, str], Kind] = {}
    for raw in raws:
        if raw.get("kind") != kinds.CRD.kind or raw.get("apiVersion") != kinds.CRD.api_version:
            continue
        spec = Part(raw)["spec"]
        words = spec["names"]
        for version in spec.each("versions"):
            kind = Kind(
                spec.text("group"),
                version.text("name"),
                words.text("kind"),
                words.text("plural"),
                spec.text("scope") == "Namespaced",
                tuple(each.value for each in words.each("shortNames") if isinstance(each.value, str)),
                tuple(each.value for each in words.each("categories") if isinstance(each.value, str)),
                tuple(sorted(name for name, _ in version["subresources"].items())),
            )
            found[(kind.api_version, kind.kind)] = kind
    return found


def _stable_last(api_version: str) -> tuple[int, ...]:
    rank, major, minor, _ = version_order(api_version.rpartition("/")[2])
    return (-rank, -major, -minor)


def why_unknown(api_version: str, kind: str, served: Served) -> str:
    """One line: what is wrong with this apiVersion and kind, and what to do."""
    if kind in _GONE:
        return f"{kind} {_GONE[kind]}"
    group = api_version.rpartition("/")[0]
    others = sorted((version for version, name in served if name == kind), key=_stable_last)
    same_group = [version for version in others if version.rpartition("/")[0] == group]
    if others:
        right = same_group[-1] if same_group else others[-1]
        return f"{kind} is not served in {api_version}: use apiVersion: {right}{_NOTES.get(kind, '')}"
    known = sorted({name for version, name in served if version == api_version})
    near = get_close_matches(kind, known, 1, 0.6) or get_close_matches(
        kind, sorted({name for _, name in served}), 1, 0.75
    )
    if near:
        right = api_version if near[0] in known else next(version for version, name in served if name == near[0])
        where = "" if right == api_version else f" (apiVersion: {right})"
        return f"unknown kind {quoted(kind)} in {api_version}; did you mean {quoted(near[0])}{where}?"
    if known:
        return f"unknown kind {quoted(kind)} in {api_version} (expected one of {', '.join(known)})"
    return (
        f"no kind {quoted(kind)} in {api_version} is known here; give its CustomResourceDefinition among the files, or "
        "leave it out (--keep-going applies the rest)"
    )
