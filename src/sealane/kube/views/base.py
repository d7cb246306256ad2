"""What every view shares: JSON names from Python names, and the parts that all objects have."""

from __future__ import annotations

from typing import TYPE_CHECKING, dataclass_transform

import msgspec

_INITIALISMS = {
    "api": "API",
    "ip": "IP",
    "ips": "IPs",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "id": "ID",
    "uuid": "UUID",
    "pid": "PID",
    "ipc": "IPC",
    "fqdn": "FQDN",
    "tls": "TLS",
}
"""Words that Kubernetes writes in capitals when they are not the first of a name (podIP, providerID)."""


def json_name(name: str) -> str:
    """The API's spelling of a field: "pod_ips" -> "podIPs", "host_pid" -> "hostPID", "cidr" -> "cidr"."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(_INITIALISMS.get(word, word.capitalize()) for word in rest)


if TYPE_CHECKING:
    # Type checkers do not see that subclasses of a msgspec Struct inherit its options.
    @dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
    class View: ...

else:

    class View(msgspec.Struct, frozen=True, kw_only=True, rename=json_name, gc=False):
        """A typed reading of JSON. Unknown fields are ignored; a trailing underscore avoids Python's own words."""


def no_labels() -> dict[str, str]:
    return {}


class OwnerReference(View):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(View):
    """meta/v1 ObjectMeta. Times are RFC 3339 strings."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = msgspec.field(default_factory=no_labels)
    annotations: dict[str, str] = msgspec.field(default_factory=no_labels)
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()


class Condition(View):
    """meta/v1 Condition; also reads the conditions of pods, nodes and workloads, which lack observedGeneration."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    observed_generation: int | None = None
    last_transition_time: str | None = None


class SelectorRequirement(View):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class Selector(View):
    """meta/v1 LabelSelector as written; `kube.selectors.LabelSelector` is the one that matches."""

    match_labels: dict[str, str] = msgspec.field(default_factory=no_labels)
    match_expressions: tuple[SelectorRequirement, ...] = ()


class ObjectReference(View):
    """core/v1 ObjectReference."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    field_path: str = ""
