"""A container's volumes as directories on the cluster's private tmpfs, and what of the host they show.

Programs in pods can write into some of these directories, so no path in them is followed out of the volume: everything
is opened and made by `linux.beneath`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sealane.dataplane.linux import beneath
from sealane.dataplane.pods.environment import expand
from sealane.dataplane.pods.files import MissingReference, References, token_file, volume_files
from sealane.dataplane.pods.rootfs import Mount
from sealane.dataplane.pods.tokens import sources
from sealane.kube.objects import Raw

ANYBODYS = 0o777
_TYPES: Mapping[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "FileOrCreate": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket file"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


class Unusable(Exception):
    """A volume cannot be mounted as the container asks; in kubelet's words. volume: the one that cannot be set up."""

    def __init__(self, message: str, volume: str = "") -> None:
        super().__init__(message)
        self.volume = volume


def prepare(
    container: Raw,
    refs: References,
    folder: Path,
    claims: Path,
    *,
    variables: Mapping[str, str],
    hidden: Sequence[str] = (),
    group: int | None = None,
) -> list[Mount]:
    """Writes the volumes that `container` mounts below `folder` (the pod's, shared by its containers); their mounts.

    claims: where the directories of PersistentVolumeClaims are, which outlive their pods. variables: for subPathExpr.
    hidden: real paths of the host that no pod sees. group: to whom volumes are given (fsGroup).
    Raises MissingReference, Unusable, and OSError naming a path.
    """
    volumes = {volume["name"]: volume for volume in refs.pod.spec.get("volumes") or ()}
    mounts: list[Mount] = []
    for wanted in container.get("volumeMounts") or ():
        volume = volumes.get(wanted["name"])
        if volume is None:
            continue
        if "persistentVolumeClaim" in volume:
            mount = _claim(volume["persistentVolumeClaim"], refs.pod.namespace, claims, group)
        elif (found := _of_host(volume, hidden)) is not None:
            mount = found
        else:
            mount = _own(volume, refs, folder, group)
        sub = _sub_path(wanted, variables)
        if sub:
            _check_sub_path(mount, sub, wanted["name"], container["name"])
        read_only = mount.read_only or bool(wanted.get("readOnly"))
        mounts.append(Mount(mount.source, wanted["mountPath"], read_only, sub, mount.host))
    mounts.sort(key=lambda mount: mount.target.count("/"))
    _make_room(mounts)
    return mounts


def refresh(container: Raw, refs: References, folder: Path) -> None:
    """Writes the tokens that `container` mounts anew, each in one step: a reader has the old or the new one."""
    for name, source in sources(refs.pod, container):
        if refs.tokens is not None:
            file = token_file(source, refs.tokens, 0o644)
            with beneath.opened(folder / name) as volume:
                fd = beneath.descend(volume, file.path)
                found = os.fstat(fd)
                os.close(fd)
                beneath.write(volume, file.path, file.content, stat.S_IMODE(found.st_mode), found.st_gid)


def missing(container: Raw, refs: References) -> list[MissingReference]:
    """The objects that `prepare` would miss; writes nothing."""
    mounted = {wanted["name"] for wanted in container.get("volumeMounts") or ()}
    found: list[MissingReference] = []
    for volume in refs.pod.spec.get("volumes") or ():
        if volume["name"] in mounted:
            try:
                volume_files(volume, refs)
            except MissingReference as error:
                found.append(error.of(volume["name"]))
    return found


def content(container: Raw, refs: References, path: str) -> bytes | None:
    """What `container` would read at `path` from a volume whose files are objects' (ConfigMap, Secret, …); None when no
    such file is there."""
    volumes = {volume["name"]: volume for volume in refs.pod.spec.get("volumes") or ()}
    for wanted in container.get("volumeMounts") or ():
        below, volume = wanted["mountPath"].rstrip("/") + "/", volumes.get(wanted["name"])
        if volume is None or not path.startswith(below):
            continue
        try:
            for file in volume_files(volume, refs) or ():
                if file.path == path.removeprefix(below):
                    return file.content
        except MissingReference:
            continue
    return None


def _make_room(mounts: Sequence[Mount]) -> None:
    """A volume mounted inside another one needs its mount point there, though the other may only be read."""
    for inner in mounts:
        for outer in mounts:
            if inner is outer or outer.host or not inner.target.startswith(outer.target.rstrip("/") + "/"):
                continue
            point = os.path.relpath(inner.target, outer.target)
            with beneath.opened(outer.source) as volume, beneath.opened(inner.source) as other:
                source, above = beneath.descend(other, inner.sub), beneath.descend(volume, outer.sub)
                try:
                    if stat.S_ISDIR(os.fstat(source).st_mode):
                        os.close(beneath.descend(above, point, make=0o755))
                    else:
                        beneath.touch(above, point)
                except OSError as error:
                    if error.errno != errno.EXDEV:  # a link out: in the container it leads to what is its own
                        raise
                finally:
                    os.close(source)
                    os.close(above)


def _sub_path(wanted: Raw, variables: Mapping[str, str]) -> str:
    """https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath-expanded-environment"""
    expression = wanted.get("subPathExpr")
    sub = expand(expression, variables) if expression else wanted.get("subPath") or ""
    if sub.startswith("/") or ".." in sub.split("/"):
        raise Unusable(f'subPath "{sub}" of volumeMount "{wanted["name"]}" must be a relative path without ".."')
    return str(sub)


def _check_sub_path(mount: Mount, sub: str, name: str, container: str) -> None:
    """Makes the directory where nothing is, but never on the host. Raises Unusable."""
    try:
        with beneath.opened(mount.source) as volume:
            mode = stat.S_IMODE(os.fstat(volume).st_mode)
            os.close(beneath.descend(volume, sub, make=None if mount.host else mode))
    except OSError as error:
        why = error.strerror or str(error)
        raise Unusable(
            f'failed to prepare subPath for volumeMount "{name}" of container "{container}": {sub}: {why}'
        ) from None


def _claim(claim: Raw, namespace: str, claims: Path, group: int | None) -> Mount:
    name = str(claim.get("claimName") or "")
    if not name or "/" in name or name in (".", ".."):
        raise MissingReference(f'persistentvolumeclaim "{name}" not found')
    claims.mkdir(mode=0o700, parents=True, exist_ok=True)
    with beneath.opened(claims) as top:
        os.close(beneath.descend(top, f"{namespace}/{name}", make=ANYBODYS))
    path = claims / namespace / name
    if group is not None and path.stat().st_gid != group:
        for _, folders, files, fd in os.fwalk(path):
            for each in (".", *folders, *files):
                os.chown(each, -1, group, dir_fd=fd, follow_symlinks=False)
        path.chmod(ANYBODYS | stat.S_ISGID)
    return Mount(str(path), "", bool(claim.get("readOnly")))


def _of_host(volume: Raw, hidden: Sequence[str]) -> Mount | None:
    """A hostPath that is there. Nothing of the host is ever written, so one that is not is an empty volume."""
    if "hostPath" not in volume:
        return None
    path, kind = str(volume["hostPath"]["path"]), volume["hostPath"].get("type") or ""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if kind in ("DirectoryOrCreate", "FileOrCreate", ""):
            return None
        raise Unusable(f"hostPath type check failed: {path} is not a {_TYPES[kind][1]}", volume["name"]) from None
    if kind in _TYPES and not _TYPES[kind][0](mode):
        raise Unusable(f"hostPath type check failed: {path} is not a {_TYPES[kind][1]}", volume["name"])
    real = os.path.realpath(path)
    if any(real == each or real.startswith(f"{each}/") for each in hidden):
        raise Unusable(f"hostPath {path} is not shown to pods: it is a cluster's state or a socket of the host")
    return Mount(real, "", True, host=True)


def _own(volume: Raw, refs: References, folder: Path, group: int | None) -> Mount:
    target = folder / volume["name"]
    if "/" in volume["name"] or volume["name"] in (".", ".."):
        raise Unusable(f"volume {volume['name']!r} has no name that a directory can have")
    try:
        files = volume_files(volume, refs)
    except MissingReference as error:
        raise error.of(volume["name"]) from None
    target.mkdir(parents=True, exist_ok=True)
    if files is None:
        if (volume.get("hostPath") or {}).get("type") == "FileOrCreate":
            with beneath.opened(target) as top:
                beneath.touch(top, "file")
            return Mount(str(target / "file"), "")
        if group is not None:
            os.chown(target, -1, group)
        target.chmod(ANYBODYS if group is None else ANYBODYS | stat.S_ISGID)  # what is made in it has the group, too
        return Mount(str(target), "")
    with beneath.opened(target) as top:
        for file in files:
            if group is None:
                beneath.write(top, file.path, file.content, file.mode)
            else:  # as SetVolumeOwnership of k8s.io/kubernetes/pkg/volume: the group may read
                beneath.write(top, file.path, file.content, file.mode | 0o440, group)
    return Mount(str(target), "", True)
