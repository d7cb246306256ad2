"""Boils the Go types of Kubernetes down to apiserver/encodings/protobuf.json. Run at a new Kubernetes release.

    python tools/protobuf.py API APIMACHINERY AGGREGATOR

These are checkouts of kubernetes/api, kubernetes/apimachinery and kubernetes/kube-aggregator at a tag (last: 1.37). The
Go types say what the .proto files do not: which fields are pointers, so that a zero is meant, and which are inlined in
JSON.

The table: {"kinds": {"VERSION KIND": type}, "types": {type: {field number: [JSON name, type, flags]}}}. Types: string,
bool, int, double, bytes, time, micro-time, quantity, int-or-string, raw, duration, fields, the name of another type,
[]X (list), {}X (map from string). Flags: "*" for a pointer, "?" for omitempty, "<" for a field whose own fields stand
in its place.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

OUT = Path(__file__).parent.parent / "src/sealane/apiserver/encodings/protobuf.json"

# Kinds that clients written in Go send: (package, apiVersion, kinds).
KINDS = (
    (
        "core/v1",
        "v1",
        "Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod "
        "PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount",
    ),
    ("apps/v1", "apps/v1", "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"),
    ("autoscaling/v1", "autoscaling/v1", "HorizontalPodAutoscaler Scale"),
    ("autoscaling/v2", "autoscaling/v2", "HorizontalPodAutoscaler"),
    ("batch/v1", "batch/v1", "CronJob Job"),
    ("policy/v1", "policy/v1", "Eviction PodDisruptionBudget"),
    ("node/v1", "node.k8s.io/v1", "RuntimeClass"),
    ("rbac/v1", "rbac.authorization.k8s.io/v1", "ClusterRole ClusterRoleBinding Role RoleBinding"),
    ("scheduling/v1", "scheduling.k8s.io/v1", "PriorityClass"),
    (
        "storage/v1",
        "storage.k8s.io/v1",
        "CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass",
    ),
    ("coordination/v1", "coordination.k8s.io/v1", "Lease"),
    ("discovery/v1", "discovery.k8s.io/v1", "EndpointSlice"),
    ("events/v1", "events.k8s.io/v1", "Event"),
    ("networking/v1", "networking.k8s.io/v1", "IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR"),
    (
        "authorization/v1",
        "authorization.k8s.io/v1",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ),
    ("authentication/v1", "authentication.k8s.io/v1", "SelfSubjectReview TokenRequest TokenReview"),
    ("resource/v1", "resource.k8s.io/v1", "DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice"),
    ("flowcontrol/v1", "flowcontrol.apiserver.k8s.io/v1", "FlowSchema PriorityLevelConfiguration"),
    ("certificates/v1", "certificates.k8s.io/v1", "CertificateSigningRequest"),
    (
        "admissionregistration/v1",
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding "
        "ValidatingWebhookConfiguration",
    ),
    ("apiregistration/v1", "apiregistration.k8s.io/v1", "APIService"),
    ("meta/v1", "meta.k8s.io/v1", "DeleteOptions"),
)
REFERRED = ("scheduling/v1alpha3",)
"""Packages of which only parts of others are used."""
PLAIN = {
    "meta/v1.Time": "time",
    "meta/v1.MicroTime": "micro-time",
    "meta/v1.Duration": "duration",
    "meta/v1.FieldsV1": "fields",
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "int-or-string",
    "runtime.RawExtension": "raw",
    "types.UID": "string",
    "types.NodeName": "string",
    "string": "string",
    "bool": "bool",
    "int32": "int",
    "int64": "int",
    "uint32": "int",
    "float64": "double",
    "[]byte": "bytes",
}
_IMPORT = re.compile(
    r'^(?:\t|import )(?:(\w+) )?"k8s\.io/(?:api/|apimachinery/pkg/(?:apis/|api/|util/)?)([\w/]+)"', re.M
)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
_ALIAS = re.compile(r"^type (\w+) ([\w.\[\]*]+)$", re.M)
_FIELD = re.compile(r'^\t(?:(\w+) )?([\w.\[\]*]+) `[^`]*?json:"([^"]*)"[^`]*?protobuf:"\w+,(\d+),[^"]*"', re.M)


class Package:
    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.imports = {alias or path.rpartition("/")[2]: path for alias, path in _IMPORT.findall(text)}
        self.structs = dict(_STRUCT.findall(text))
        self.aliases = dict(_ALIAS.findall(text))


def load(api: Path, machinery: Path, aggregator: Path) -> dict[str, Package]:
    folders = {name: api / name for name, _, _ in KINDS if name != "meta/v1"}
    folders |= {name: api / name for name in REFERRED}
    folders["meta/v1"] = machinery / "pkg/apis/meta/v1"
    folders["apiregistration/v1"] = aggregator / "pkg/apis/apiregistration/v1"
    return {
        name: Package(name, "\n".join(path.read_text() for path in sorted(folder.glob("types*.go"))))
        for name, folder in folders.items()
    }


def resolve(packages: dict[str, Package], package: Package, go: str) -> str:
    """The table's name for a Go type as it is written in `package`."""
    if go in PLAIN:
        return PLAIN[go]
    if go.startswith("[]"):
        return "[]" + resolve(packages, package, go[2:].lstrip("*"))
    if go.startswith("map["):
        return "{}" + resolve(packages, package, go.partition("]")[2].lstrip("*"))
    alias, _, name = go.rpartition(".")
    owner = package.imports.get(alias, alias) if alias else package.name
    if f"{owner}.{name}" in PLAIN:
        return PLAIN[f"{owner}.{name}"]
    found = packages[owner]
    if name in found.aliases:
        return resolve(packages, found, found.aliases[name])
    if name not in found.structs:
        raise SystemExit(f"{package.name}: no type {go}")
    return f"{owner}.{name}"


def main() -> None:
    packages = load(*map(Path, sys.argv[1:4]))
    kinds: dict[str, str] = {}
    types: dict[str, dict[str, list[str]]] = {}
    queue: list[str] = []
    for package, version, names in KINDS:
        for name in names.split():
            kinds[f"{version} {name}"] = f"{package}.{name}"
            queue.append(f"{package}.{name}")
    while queue:
        full = queue.pop()
        if full in types:
            continue
        owner, _, name = full.rpartition(".")
        package = packages[owner]
        types[full] = {}
        for _, go, tag, number in _FIELD.findall(package.structs[name]):
            json_name, *options = tag.split(",")
            flags = "*" if go.startswith("*") else ""
            flags += "?" if "omitempty" in options else ""
            flags += "<" if not json_name else ""
            expression = resolve(packages, package, go.lstrip("*"))
            types[full][number] = [json_name, expression, flags]
            element = expression.lstrip("[]{}")
            if "." in element:
                queue.append(element)
    table = {"kinds": dict(sorted(kinds.items())), "types": dict(sorted(types.items()))}
    OUT.write_text(json.dumps(table, separators=(",", ":")).replace('},"', '},\n"') + "\n")
    print(f"{len(kinds)} kinds, {len(types)} types, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
