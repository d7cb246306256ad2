"""A container's volumes as directories on the cluster's private tmpfs, and what of the host they show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sealane.dataplane.pods.files import File, References, token_file, volume_files
from sealane.dataplane.pods.rootfs import Mount
from sealane.dataplane.pods.tokens import sources
from sealane.kube.objects import Raw


def prepare(container: Raw, refs: References, folder: Path, claims: Path) -> list[Mount]:
    """Writes the volumes that `container` mounts below `folder` (the pod's, shared by its containers); their mounts.

    claims: where the directories of PersistentVolumeClaims are, which outlive their pods.
    Raises MissingReference, and OSError naming a host path that is not there.
    """
    volumes = {volume["name"]: volume for volume in refs.pod.spec.get("volumes") or ()}
    mounts: list[Mount] = []
    for wanted in container.get("volumeMounts") or ():
        volume = volumes.get(wanted["name"])
        if volume is None:
            continue
        claim = volume.get("persistentVolumeClaim")
        if claim is not None:
            kept = claims / refs.pod.namespace / claim["claimName"]
            kept.mkdir(parents=True, exist_ok=True)
            kept.chmod(0o777)
            source, read_only = str(kept), bool(claim.get("readOnly"))
        else:
            source, read_only = _volume(volume, refs, folder)
        if wanted.get("subPath"):
            source = os.path.join(source, wanted["subPath"])
            if not os.path.exists(source):
                os.makedirs(source)
        mounts.append(Mount(source, wanted["mountPath"], read_only or bool(wanted.get("readOnly"))))
    mounts.sort(key=lambda mount: mount.target.count("/"))
    _make_room(mounts, folder)
    return mounts


def refresh(container: Raw, refs: References, folder: Path) -> None:
    """Writes the tokens that `container` mounts anew, each in one step: a reader has the old or the new one."""
    for name, source in sources(refs.pod, container):
        if refs.tokens is not None:
            file = token_file(source, refs.tokens, 0o644)
            path = folder / name / file.path
            beside = path.with_name(f".{path.name}.new")
            beside.write_bytes(file.content)
            beside.chmod(path.stat().st_mode & 0o777)
            os.replace(beside, path)


def _make_room(mounts: Sequence[Mount], folder: Path) -> None:
    """A volume mounted inside another one needs its mount point there, though the other may only be read."""
    for inner in mounts:
        for outer in mounts:
            if inner is outer or not inner.target.startswith(outer.target.rstrip("/") + "/"):
                continue
            point = Path(outer.source) / os.path.relpath(inner.target, outer.target)
            if point.is_relative_to(folder) and not point.exists():
                if os.path.isdir(inner.source):
                    point.mkdir(parents=True)
                else:
                    point.parent.mkdir(parents=True, exist_ok=True)
                    point.touch()


def check(container: Raw, refs: References) -> None:
    """Raises MissingReference for what `prepare` would miss; writes nothing."""
    mounted = {wanted["name"] for wanted in container.get("volumeMounts") or ()}
    for volume in refs.pod.spec.get("volumes") or ():
        if volume["name"] in mounted:
            volume_files(volume, refs)


def _volume(volume: Raw, refs: References, folder: Path) -> tuple[str, bool]:
    """Where it is, and whether it may only be read."""
    if "hostPath" in volume:
        path: str = volume["hostPath"]["path"]
        if os.path.exists(path):
            return path, True  # nothing of the host is ever written
        if volume["hostPath"].get("type") not in ("DirectoryOrCreate", "FileOrCreate", "", None):
            raise FileNotFoundError(2, "hostPath is not there", path)
    target = folder / volume["name"]
    files = volume_files(volume, refs)
    target.mkdir(parents=True, exist_ok=True)
    if files is None:
        target.chmod(0o777)
        return str(target), False
    _write(target, files)
    return str(target), True


def _write(folder: Path, files: Sequence[File]) -> None:
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
