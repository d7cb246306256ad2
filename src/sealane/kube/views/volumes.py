"""Volumes and their mounts: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume/"""

from __future__ import annotations

from sealane.kube.views.base import View


class KeyToPath(View):
    key: str = ""
    path: str = ""
    mode: int | None = None


class ConfigMapVolume(View):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class SecretVolume(View):
    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool = False


class VolumeFieldSelector(View):
    field_path: str = ""


class VolumeResourceSelector(View):
    resource: str = ""
    container_name: str = ""
    divisor: int | float | str = 0


class DownwardFile(View):
    path: str = ""
    field_ref: VolumeFieldSelector | None = None
    resource_field_ref: VolumeResourceSelector | None = None
    mode: int | None = None


class DownwardProjection(View):
    items: tuple[DownwardFile, ...] = ()


class DownwardVolume(DownwardProjection):
    default_mode: int | None = None


class EmptyDirVolume(View):
    medium: str = ""
    size_limit: int | float | str | None = None


class HostPathVolume(View):
    path: str = ""
    type: str | None = None


class ClaimVolume(View):
    claim_name: str = ""
    read_only: bool = False


class SecretProjection(View):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False


class TokenProjection(View):
    path: str = ""
    audience: str = ""
    expiration_seconds: int = 3600


class Projection(View):
    config_map: SecretProjection | None = None
    secret: SecretProjection | None = None
    downward_api: DownwardProjection | None = None
    service_account_token: TokenProjection | None = None


class ProjectedVolume(View):
    sources: tuple[Projection, ...] = ()
    default_mode: int | None = None


class Volume(View):
    """Exactly one source is set, or none of these when the volume is of a kind this machine has no use for."""

    name: str = ""
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    downward_api: DownwardVolume | None = None
    projected: ProjectedVolume | None = None
    empty_dir: EmptyDirVolume | None = None
    host_path: HostPathVolume | None = None
    persistent_volume_claim: ClaimVolume | None = None


class VolumeMount(View):
    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False
