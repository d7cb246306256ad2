"""The columns of `kubectl get` for every built-in kind: what each shows of an object.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go; for Gateway API the printer columns of its CRDs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.kinds.access.columns import request_condition, requested_duration, role_of, subjects
from sealane.kube.kinds.ages import since
from sealane.kube.kinds.batch.columns import (
    access_modes,
    claimed_by,
    job_completions,
    job_duration,
    job_status,
    last_schedule,
    scaled_reference,
    scaling_targets,
)
from sealane.kube.kinds.events.versions import as_core
from sealane.kube.kinds.pods.columns import gates, pod_status, ready, restarts
from sealane.kube.objects import Raw
from sealane.kube.selectors import LabelSelector

Cell = str | int | float | bool | None
NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Column:
    """wide: only in `-o wide`. cell(object, now): what it shows; now in seconds since the epoch."""

    name: str
    cell: Callable[[Raw, float], Cell]
    type: Literal["string", "integer", "number", "boolean", "date"] = "string"
    wide: bool = False
    format: str = ""


def _spec(raw: Raw) -> Mapping[str, Any]:
    return raw.get("spec") or {}


def _status(raw: Raw) -> Mapping[str, Any]:
    return raw.get("status") or {}


def text(name: str, *path: str, wide: bool = False, absent: str = NONE) -> Column:
    """A column that shows what is at `path`."""

    def cell(raw: Raw, _now: float) -> Cell:
        value: Any = raw
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return absent if value is None or value == "" else str(value)

    return Column(name, cell, wide=wide)


def number(name: str, *path: str, absent: int = 0) -> Column:
    def cell(raw: Raw, _now: float) -> Cell:
        value: Any = raw
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value if isinstance(value, int) else absent

    return Column(name, cell, "integer")


def shown(name: str, show: Callable[[Raw], Cell], wide: bool = False) -> Column:
    return Column(name, lambda raw, _now: show(raw), wide=wide)


NAME = Column("Name", lambda raw, _now: raw["metadata"]["name"], format="name")
AGE = Column("Age", lambda raw, now: since(raw["metadata"].get("creationTimestamp"), now))


def more(items: Sequence[str], shown_items: int = 3) -> str:
    """ "a,b,c + 2 more..." """
    joined = ",".join(items[:shown_items])
    return f"{joined} + {len(items) - shown_items} more..." if len(items) > shown_items else joined or NONE


def selector(raw: Mapping[str, Any] | None) -> str:
    """A label selector as `kubectl get` shows it; <none> when it selects all."""
    found = LabelSelector.of(raw or {})
    return str(found) if found.requirements else NONE


def _labels(raw: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((raw or {}).items())) or NONE


def _containers(raw: Raw) -> Iterable[Mapping[str, Any]]:
    return ((_spec(raw).get("template") or {}).get("spec") or {}).get("containers") or ()


_WORKLOAD = (
    shown("Containers", lambda raw: ",".join(each.get("name", "") for each in _containers(raw)), wide=True),
    shown("Images", lambda raw: ",".join(each.get("image", "") for each in _containers(raw)), wide=True),
)
_SELECTOR = shown("Selector", lambda raw: selector(_spec(raw).get("selector")), wide=True)

_REPLICAS = (
    NAME,
    number("Desired", "spec", "replicas", absent=1),
    number("Current", "status", "replicas"),
    number("Ready", "status", "readyReplicas"),
    AGE,
    *_WORKLOAD,
    _SELECTOR,
)


def _of_replicas(raw: Raw) -> str:
    return f"{_status(raw).get('readyReplicas', 0)}/{_spec(raw).get('replicas', 1)}"


def _pod_ip(raw: Raw) -> str:
    addresses: Sequence[Mapping[str, str]] = _status(raw).get("podIPs") or ()
    return str((addresses[0].get("ip") if addresses else _status(raw).get("podIP")) or NONE)


# Nodes


def _condition(raw: Raw, type_: str) -> str:
    return next((str(each.get("status")) for each in _status(raw).get("conditions") or () if each["type"] == type_), "")


def _node_status(raw: Raw) -> str:
    status = {"True": "Ready", "": "Unknown"}.get(_condition(raw, "Ready"), "NotReady")
    return status + (",SchedulingDisabled" if _spec(raw).get("unschedulable") else "")


def _node_roles(raw: Raw) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = raw["metadata"].get("labels") or {}
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return ",".join(sorted(filter(None, roles))) or NONE


def _node_address(type_: str) -> Callable[[Raw], str]:
    def show(raw: Raw) -> str:
        addresses = _status(raw).get("addresses") or ()
        return next((each["address"] for each in addresses if each.get("type") == type_), NONE)

    return show


# Services and their endpoints


def _external(raw: Raw) -> str:
    spec = _spec(raw)
    outside = list(spec.get("externalIPs") or ())
    match spec.get("type", "ClusterIP"):
        case "ExternalName":
            return str(spec.get("externalName") or NONE)
        case "LoadBalancer":
            entries = (_status(raw).get("loadBalancer") or {}).get("ingress") or ()
            found = [each.get("ip") or each.get("hostname") or "" for each in entries]
            return ",".join(filter(None, [*found, *outside])) or "<pending>"
        case _:
            return ",".join(outside) or NONE


def _service_ports(raw: Raw) -> str:
    ports = []
    for each in _spec(raw).get("ports") or ():
        node = f":{each['nodePort']}" if each.get("nodePort") else ""
        ports.append(f"{each.get('port')}{node}/{each.get('protocol', 'TCP')}")
    return ",".join(ports) or NONE


def _endpoints(raw: Raw) -> str:
    found: list[str] = []
    for subset in raw.get("subsets") or ():
        for address in subset.get("addresses") or ():
            host = address.get("ip", "")
            host = f"[{host}]" if ":" in host else host
            found += [f"{host}:{port.get('port')}" for port in subset.get("ports") or ()] or [host]
    return more(found)


def _slice_ports(raw: Raw) -> str:
    ports = raw.get("ports") or ()
    return more([str(each.get("port") or "*") for each in ports]) if ports else "<unset>"


def _slice_endpoints(raw: Raw) -> str:
    return more([address for each in raw.get("endpoints") or () for address in each.get("addresses") or ()])


# Addresses of Services


def _parent_reference(raw: Raw) -> str:
    reference = _spec(raw).get("parentRef") or {}
    group = f".{reference['group']}" if reference.get("group") else ""
    parts = (f"{reference.get('resource', '')}{group}", reference.get("namespace"), reference.get("name"))
    return "/".join(part for part in parts if part) or "<none>"


# Ingress and Gateway API


def _ingress_hosts(raw: Raw) -> str:
    return more([each["host"] for each in _spec(raw).get("rules") or () if each.get("host")]).replace(NONE, "*")


def _ingress_address(raw: Raw) -> str:
    entries = (_status(raw).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(filter(None, (each.get("ip") or each.get("hostname") for each in entries)))


def _parameters(raw: Raw) -> str:
    found = _spec(raw).get("parameters")
    if not found:
        return NONE
    group = found.get("apiGroup")
    return f"{found.get('kind')}{f'.{group}' if group else ''}/{found.get('name')}"


def _gateway_addresses(raw: Raw) -> str:
    addresses = _status(raw).get("addresses") or ()
    return str(addresses[0].get("value", "")) if addresses else ""  # jsonPath prints the first of many


def _hostnames(raw: Raw) -> str:
    names = _spec(raw).get("hostnames")
    return "[" + ",".join(f'"{name}"' for name in names) + "]" if names else ""


# Events


def _event_seen(key: str) -> Callable[[Raw, float], Cell]:
    def cell(raw: Raw, now: float) -> Cell:
        series = (raw.get("series") or {}).get("lastObservedTime") if key == "lastTimestamp" else None
        return since(series or raw.get(key) or raw.get("eventTime"), now)

    return cell


def _event_object(raw: Raw) -> str:
    involved = raw.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_source(raw: Raw) -> str:
    source = raw.get("source") or {}
    parts = [source.get("component") or raw.get("reportingComponent"), source.get("host")]
    return ", ".join(filter(None, parts))


def _controller(raw: Raw) -> str:
    owners = raw["metadata"].get("ownerReferences") or ()
    for owner in owners:
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            return f"{owner['kind'].lower()}{f'.{group}' if group else ''}/{owner['name']}"
    return NONE


_BINDING = (
    NAME,
    shown("Role", role_of),
    AGE,
    shown("Users", lambda raw: subjects(raw, "User"), wide=True),
    shown("Groups", lambda raw: subjects(raw, "Group"), wide=True),
    shown("ServiceAccounts", lambda raw: subjects(raw, "ServiceAccount"), wide=True),
)
_WEBHOOKS = (NAME, Column("Webhooks", lambda raw, _now: len(raw.get("webhooks") or ()), "integer"), AGE)

_EVENT = (
    Column("Last Seen", _event_seen("lastTimestamp")),
    text("Type", "type", absent=""),
    text("Reason", "reason", absent=""),
    shown("Object", _event_object),
    text("Subobject", "involvedObject", "fieldPath", wide=True, absent=""),
    shown("Source", _event_source, wide=True),
    shown("Message", lambda raw: str(raw.get("message") or "").strip()),
    Column("First Seen", _event_seen("firstTimestamp"), wide=True),
    Column("Count", lambda raw, _now: str(raw.get("count") or 1), wide=True),
    Column("Name", NAME.cell, wide=True, format="name"),
)


def _of_core(column: Column) -> Column:
    return replace(column, cell=lambda raw, now: column.cell(as_core(raw), now))


COLUMNS: Mapping[Kind, tuple[Column, ...]] = {
    kinds.POD: (
        NAME,
        shown("Ready", ready),
        shown("Status", pod_status),
        Column("Restarts", restarts),
        AGE,
        shown("IP", _pod_ip, wide=True),
        text("Node", "spec", "nodeName", wide=True),
        text("Nominated Node", "status", "nominatedNodeName", wide=True),
        shown("Readiness Gates", gates, wide=True),
    ),
    kinds.NAMESPACE: (NAME, text("Status", "status", "phase", absent=""), AGE),
    kinds.NODE: (
        NAME,
        shown("Status", _node_status),
        shown("Roles", _node_roles),
        AGE,
        text("Version", "status", "nodeInfo", "kubeletVersion", absent=""),
        shown("Internal-IP", _node_address("InternalIP"), wide=True),
        shown("External-IP", _node_address("ExternalIP"), wide=True),
        text("OS-Image", "status", "nodeInfo", "osImage", wide=True, absent="<unknown>"),
        text("Kernel-Version", "status", "nodeInfo", "kernelVersion", wide=True, absent="<unknown>"),
        text("Container-Runtime", "status", "nodeInfo", "containerRuntimeVersion", wide=True, absent="<unknown>"),
    ),
    kinds.SERVICE: (
        NAME,
        text("Type", "spec", "type"),
        text("Cluster-IP", "spec", "clusterIP"),
        shown("External-IP", _external),
        shown("Port(s)", _service_ports),
        AGE,
        shown("Selector", lambda raw: _labels(_spec(raw).get("selector")), wide=True),
    ),
    kinds.ENDPOINTS: (NAME, shown("Endpoints", _endpoints), AGE),
    kinds.CONFIGMAP: (
        NAME,
        Column("Data", lambda raw, _now: len(raw.get("data") or ()) + len(raw.get("binaryData") or ())),
        AGE,
    ),
    kinds.SECRET: (NAME, text("Type", "type"), Column("Data", lambda raw, _now: len(raw.get("data") or ())), AGE),
    kinds.SERVICEACCOUNT: (NAME, Column("Secrets", lambda raw, _now: len(raw.get("secrets") or ())), AGE),
    kinds.EVENT: _EVENT,
    kinds.NEW_EVENT: tuple(map(_of_core, _EVENT)),
    kinds.DEPLOYMENT: (
        NAME,
        shown("Ready", _of_replicas),
        number("Up-to-date", "status", "updatedReplicas"),
        number("Available", "status", "availableReplicas"),
        AGE,
        *_WORKLOAD,
        _SELECTOR,
    ),
    kinds.REPLICASET: _REPLICAS,
    kinds.REPLICATIONCONTROLLER: (
        *_REPLICAS[:-1],
        shown("Selector", lambda raw: _labels(_spec(raw).get("selector")), wide=True),
    ),
    kinds.STATEFULSET: (NAME, shown("Ready", _of_replicas), AGE, *_WORKLOAD),
    kinds.DAEMONSET: (
        NAME,
        number("Desired", "status", "desiredNumberScheduled"),
        number("Current", "status", "currentNumberScheduled"),
        number("Ready", "status", "numberReady"),
        number("Up-to-date", "status", "updatedNumberScheduled"),
        number("Available", "status", "numberAvailable"),
        shown(
            "Node Selector",
            lambda raw: _labels(((_spec(raw).get("template") or {}).get("spec") or {}).get("nodeSelector")),
        ),
        AGE,
        *_WORKLOAD,
        _SELECTOR,
    ),
    kinds.JOB: (
        NAME,
        shown("Status", job_status),
        shown("Completions", job_completions),
        Column("Duration", job_duration),
        AGE,
        *_WORKLOAD,
        _SELECTOR,
    ),
    kinds.CRONJOB: (
        NAME,
        text("Schedule", "spec", "schedule"),
        text("Timezone", "spec", "timeZone"),
        shown("Suspend", lambda raw: str(bool(_spec(raw).get("suspend")))),
        Column("Active", lambda raw, _now: len(_status(raw).get("active") or ()), "integer"),
        Column("Last Schedule", last_schedule),
        AGE,
    ),
    kinds.HORIZONTALPODAUTOSCALER: (
        NAME,
        shown("Reference", scaled_reference),
        shown("Targets", scaling_targets),
        number("MinPods", "spec", "minReplicas", absent=1),
        number("MaxPods", "spec", "maxReplicas"),
        number("Replicas", "status", "currentReplicas"),
        AGE,
    ),
    kinds.PERSISTENTVOLUMECLAIM: (
        NAME,
        text("Status", "status", "phase", absent=""),
        text("Volume", "spec", "volumeName", absent=""),
        text("Capacity", "status", "capacity", "storage", absent=""),
        shown("Access Modes", lambda raw: access_modes(_status(raw).get("accessModes"))),
        text("StorageClass", "spec", "storageClassName", absent=""),
        text("VolumeAttributesClass", "spec", "volumeAttributesClassName", absent="<unset>"),
        AGE,
        text("VolumeMode", "spec", "volumeMode", wide=True, absent="<unset>"),
    ),
    kinds.PERSISTENTVOLUME: (
        NAME,
        text("Capacity", "spec", "capacity", "storage", absent=""),
        shown("Access Modes", lambda raw: access_modes(_spec(raw).get("accessModes"))),
        text("Reclaim Policy", "spec", "persistentVolumeReclaimPolicy", absent=""),
        text("Status", "status", "phase", absent=""),
        shown("Claim", claimed_by),
        text("StorageClass", "spec", "storageClassName", absent=""),
        text("VolumeAttributesClass", "spec", "volumeAttributesClassName", absent="<unset>"),
        text("Reason", "status", "reason", absent=""),
        AGE,
        text("VolumeMode", "spec", "volumeMode", wide=True, absent="<unset>"),
    ),
    kinds.PODDISRUPTIONBUDGET: (
        NAME,
        text("Min Available", "spec", "minAvailable", absent="N/A"),
        text("Max Unavailable", "spec", "maxUnavailable", absent="N/A"),
        number("Allowed Disruptions", "status", "disruptionsAllowed"),
        AGE,
    ),
    kinds.CONTROLLERREVISION: (NAME, shown("Controller", _controller), number("Revision", "revision"), AGE),
    kinds.ENDPOINTSLICE: (
        NAME,
        text("AddressType", "addressType"),
        shown("Ports", _slice_ports),
        shown("Endpoints", _slice_endpoints),
        AGE,
    ),
    kinds.NETWORKPOLICY: (NAME, shown("Pod-Selector", lambda raw: selector(_spec(raw).get("podSelector"))), AGE),
    kinds.INGRESS: (
        NAME,
        text("Class", "spec", "ingressClassName"),
        shown("Hosts", _ingress_hosts),
        shown("Address", _ingress_address),
        shown("Ports", lambda raw: "80, 443" if _spec(raw).get("tls") else "80"),
        AGE,
    ),
    kinds.IPADDRESS: (NAME, shown("ParentRef", _parent_reference), AGE),
    kinds.SERVICECIDR: (NAME, shown("CIDRs", lambda raw: ",".join(_spec(raw).get("cidrs") or ())), AGE),
    kinds.INGRESSCLASS: (NAME, text("Controller", "spec", "controller"), shown("Parameters", _parameters), AGE),
    kinds.GATEWAYCLASS: (
        NAME,
        text("Controller", "spec", "controllerName", absent=""),
        shown("Accepted", lambda raw: _condition(raw, "Accepted")),
        AGE,
        text("Description", "spec", "description", wide=True, absent=""),
    ),
    kinds.GATEWAY: (
        NAME,
        text("Class", "spec", "gatewayClassName", absent=""),
        shown("Address", _gateway_addresses),
        shown("Programmed", lambda raw: _condition(raw, "Programmed")),
        AGE,
    ),
    kinds.HTTPROUTE: (NAME, shown("Hostnames", _hostnames), AGE),
    kinds.CRD: (NAME, text("Created At", "metadata", "creationTimestamp")),
    kinds.ROLE: (NAME, text("Created At", "metadata", "creationTimestamp")),
    kinds.CLUSTERROLE: (NAME, text("Created At", "metadata", "creationTimestamp")),
    kinds.ROLEBINDING: _BINDING,
    kinds.CLUSTERROLEBINDING: _BINDING,
    kinds.CSR: (
        NAME,
        AGE,
        text("SignerName", "spec", "signerName"),
        text("Requestor", "spec", "username", absent=""),
        shown("RequestedDuration", requested_duration),
        shown("Condition", request_condition),
    ),
    kinds.MUTATINGWEBHOOKS: _WEBHOOKS,
    kinds.VALIDATINGWEBHOOKS: _WEBHOOKS,
    kinds.LEASE: (NAME, text("Holder", "spec", "holderIdentity", absent=""), AGE),
}

PLAIN: tuple[Column, ...] = (NAME, AGE)
"""For kinds that say nothing themselves."""
