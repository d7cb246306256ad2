"""PersistentVolumeClaim, PersistentVolume, StorageClass; the objects of CSI drivers and their volumes.

Source: ValidatePersistentVolumeClaimSpec, ValidatePersistentVolume, … of k8s.io/kubernetes/pkg/apis
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_text
from sealane.kube.checks.metadata import check_selector
from sealane.kube.problems import MapKey, Part, Problem
from sealane.kube.quantities import thousandths

_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_LIFECYCLES = ("Ephemeral", "Persistent")
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_LONGEST_DRIVER = 63
_NOT_SOURCES = frozenset(
    {
        *("accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy"),
        *("storageClassName", "volumeMode", "volumeAttributesClassName"),
    }
)


def check_claim(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    yield from _check_modes(spec, "at least 1 access mode is required")
    yield from check_selector(spec["selector"])
    requested = spec["resources"]["requests"]["storage"]
    where = Part(requested.value, ("spec", "resources", MapKey("storage")))
    if not requested.present:
        yield Problem(where.path, "Required value", "FieldValueRequired")
    else:
        yield from _check_positive(where)
    yield from check_text(spec["storageClassName"], names.dns_subdomain)


def check_volume(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    yield from _check_modes(spec, "")
    capacity = spec["capacity"]
    if capacity.empty:
        yield capacity.required()
    elif "storage" not in capacity:
        yield capacity.not_supported(("storage",))
    for key, _ in capacity.items():
        yield from _check_positive(capacity.at(key))
    sources = [key for key, value in spec.items() if key not in _NOT_SOURCES and value is not None]
    if not sources:
        yield spec.required("must specify a volume type")
    for extra in sources[1:]:
        yield spec[extra].forbidden("may not specify more than 1 volume type")
    path = spec["hostPath"].text("path")
    if "hostPath" in spec and ".." in path.split("/"):
        yield spec["hostPath"]["path"].invalid("must not contain '..'")
    if path == "/" and spec.text("persistentVolumeReclaimPolicy") == "Recycle":
        yield spec["persistentVolumeReclaimPolicy"].forbidden("may not be 'recycle' for a hostPath mount of '/'")
    yield from check_text(spec["storageClassName"], names.dns_subdomain)


def _check_modes(spec: Part, why: str) -> Iterator[Problem]:
    modes = spec.each("accessModes")
    if not modes:
        yield spec["accessModes"].required(why)
    for mode in modes:
        if mode.value not in _MODES:
            yield Part(mode.value, spec["accessModes"].path).not_supported(_MODES)
    found = {mode.value for mode in modes if isinstance(mode.value, str)}
    if "ReadWriteOncePod" in found and found - {"ReadWriteOncePod"}:
        yield spec["accessModes"].forbidden("may not use ReadWriteOncePod with other access modes")


def _check_positive(part: Part) -> Iterator[Problem]:
    try:
        positive = thousandths(str(part.value)) > 0
    except ValueError:
        positive = not str(part.value).startswith("-")  # another form is complained of elsewhere
    if not positive:
        yield part.invalid("must be greater than zero")


def check_storage_class(obj: Part) -> Iterator[Problem]:
    provisioner = obj["provisioner"]
    if provisioner.empty:
        yield provisioner.required()
    elif isinstance(provisioner.value, str):
        yield from (provisioner.invalid(why) for why in names.qualified_name(provisioner.value.lower()))


def check_driver(obj: Part) -> Iterator[Problem]:
    """Source: ValidateCSIDriver of k8s.io/kubernetes/pkg/apis/storage/validation."""
    spec = obj["spec"]
    if "fsGroupPolicy" in spec and spec.text("fsGroupPolicy") not in _GROUP_POLICIES:
        yield spec["fsGroupPolicy"].not_supported(_GROUP_POLICIES)
    for mode in spec.each("volumeLifecycleModes"):
        if mode.value not in _LIFECYCLES:
            yield mode.not_supported(_LIFECYCLES)
    yield from _check_driver_name(obj["metadata"]["name"])


def check_driver_node(obj: Part) -> Iterator[Problem]:
    for driver in obj["spec"].each("drivers"):
        yield from _check_driver_name(driver["name"])
        if driver["nodeID"].empty:
            yield driver["nodeID"].required()
        count = driver["allocatable"].number("count")
        if count is not None and count < 0:
            yield driver["allocatable"]["count"].invalid("must be greater than or equal to 0")


def check_storage_capacity(obj: Part) -> Iterator[Problem]:
    yield from check_selector(obj["nodeTopology"])
    yield from check_text(obj["storageClassName"], names.dns_subdomain)


def check_attachment(obj: Part) -> Iterator[Problem]:
    """Source: validateVolumeAttachmentSpec of k8s.io/kubernetes/pkg/apis/storage/validation."""
    spec = obj["spec"]
    yield from _check_driver_name(spec["attacher"])
    if spec["nodeName"].empty:
        yield spec["nodeName"].required()
    yield from check_text(spec["nodeName"], names.dns_subdomain)
    source = spec["source"]
    inline, volume = "inlineVolumeSpec" in source, bool(source.text("persistentVolumeName"))
    if not inline and not volume:
        yield source.required("must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif inline and volume:
        yield source.forbidden("must specify exactly one of inlineVolumeSpec and persistentVolumeName")


def check_attributes_class(obj: Part) -> Iterator[Problem]:
    yield from _check_driver_name(obj["driverName"])
    if obj["parameters"].empty:
        yield obj["parameters"].required("must contain at least one key/value pair")


def _check_driver_name(name: Part) -> Iterator[Problem]:
    if name.value == "":
        yield name.required()
    elif isinstance(name.value, str):
        if len(name.value) > _LONGEST_DRIVER:
            yield Problem(name.path, f"Too long: may not be more than {_LONGEST_DRIVER} bytes", "FieldValueTooLong")
        yield from (name.invalid(why) for why in names.dns_subdomain(name.value.lower()))
