"""Volumes of a pod and where its containers mount them: no path leads out of a volume.

Source: k8s.io/kubernetes/pkg/apis/core/validation (validateVolumeSource, validateLocalNonReservedPath,
validateVolumeMounts).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_text
from sealane.kube.problems import Part, Problem

_MODES = 0o777
_WITH_MODES = ("secret", "configMap", "downwardAPI", "projected")
_PROJECTIONS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")
_LEAST_SECONDS, _MOST_SECONDS = 600, 1 << 32


def check_volume(volume: Part) -> Iterator[Problem]:
    yield from check_text(volume["name"], names.dns_label)
    given = [key for key, value in volume.items() if key != "name" and value is not None]
    for extra in given[1:]:
        yield volume[extra].forbidden("may not specify more than 1 volume type")
    for kind in _WITH_MODES:
        yield from _mode(volume[kind]["defaultMode"])
    if "hostPath" in volume:
        yield from _host_path(volume["hostPath"])
    if "persistentVolumeClaim" in volume and volume["persistentVolumeClaim"]["claimName"].empty:
        yield volume["persistentVolumeClaim"]["claimName"].required()
    yield from _source(volume, "secretName")
    seen: set[str] = set()
    for source in volume["projected"].each("sources"):
        given = [key for key in _PROJECTIONS if key in source]
        for extra in given[1:]:
            yield source[extra].forbidden("may not specify more than 1 volume type per source")
        yield from _source(source, "name")
        for kind in given[:1]:
            for path in [each.text("path") for each in source[kind].each("items")] or [source[kind].text("path")]:
                if path and path in seen:
                    yield volume["projected"].invalid("conflicting duplicate paths", path)
                seen.add(path)


def _source(source: Part, secret_name: str) -> Iterator[Problem]:
    """The checks that volumes and the sources of a projected one share."""
    for kind, name in (("secret", secret_name), ("configMap", "name")):
        if kind not in source:
            continue
        if source[kind][name].empty:
            yield source[kind][name].required()
        for item in source[kind].each("items"):
            if item["key"].empty:
                yield item["key"].required()
            yield from _file(item)
            yield from _mode(item["mode"])
    for item in source["downwardAPI"].each("items"):
        yield from _file(item)
        if "fieldRef" in item and "resourceFieldRef" in item:
            yield item.invalid("fieldRef and resourceFieldRef can not be specified simultaneously", "resource")
        elif "fieldRef" not in item and "resourceFieldRef" not in item:
            yield item.required("one of fieldRef and resourceFieldRef is required")
        yield from _mode(item["mode"])
    for kind in ("serviceAccountToken", "clusterTrustBundle"):
        if kind in source:
            yield from _file(source[kind])
    seconds = source["serviceAccountToken"].number("expirationSeconds")
    if seconds is not None and seconds < _LEAST_SECONDS:
        yield source["serviceAccountToken"]["expirationSeconds"].invalid(
            "may not specify a duration less than 10 minutes"
        )
    elif seconds is not None and seconds > _MOST_SECONDS:
        yield source["serviceAccountToken"]["expirationSeconds"].invalid(
            "may not specify a duration larger than 2^32 seconds"
        )


def _file(item: Part) -> Iterator[Problem]:
    """A file's path in its volume."""
    path = item.text("path")
    if not path:
        yield item["path"].required()
        return
    steps = list(_descending(item["path"]))
    yield from steps
    if path.startswith("..") and not any("'..'" in step.message for step in steps):
        yield item["path"].invalid("must not start with '..'")


def _descending(part: Part) -> Iterator[Problem]:
    """A path that leads further down."""
    path = part.value if isinstance(part.value, str) else ""
    if path.startswith("/"):
        yield part.invalid("must be a relative path")
    yield from _no_backsteps(part)


def _no_backsteps(part: Part) -> Iterator[Problem]:
    if isinstance(part.value, str) and ".." in part.value.split("/"):
        yield part.invalid("must not contain '..'")


def _mode(part: Part) -> Iterator[Problem]:
    if isinstance(part.value, int) and not isinstance(part.value, bool) and not 0 <= part.value <= _MODES:
        yield part.invalid("must be a number between 0 and 0777 (octal), both inclusive")


def _host_path(host_path: Part) -> Iterator[Problem]:
    if host_path["path"].empty:
        yield host_path["path"].required()
    yield from _no_backsteps(host_path["path"])


def check_mounts(container: Part, mountable: Collection[str], *, ephemeral: bool = False) -> Iterator[Problem]:
    """mountable: names of the pod's volumes."""
    paths: set[str] = set()
    for mount in container.each("volumeMounts"):
        name, path = mount.text("name"), mount.text("mountPath")
        if name and name not in mountable:
            yield mount["name"].not_found()
        if path in paths:
            yield mount["mountPath"].invalid("must be unique")
        paths.add(path)
        for field in ("subPath", "subPathExpr"):
            if not mount[field].empty:
                if ephemeral:
                    yield mount[field].forbidden("cannot be set for an Ephemeral Container")
                yield from _descending(mount[field])
        if not mount["subPath"].empty and not mount["subPathExpr"].empty:
            yield mount["subPathExpr"].invalid("subPathExpr and subPath are mutually exclusive")
        if (
            mount.text("mountPropagation") == "Bidirectional"
            and container["securityContext"]["privileged"].value is not True
        ):
            yield mount["mountPropagation"].forbidden(
                "Bidirectional mount propagation is available only to privileged containers"
            )
