"""Boils published schemas down to facts.json and crds/definitions.json of src/sealane/kube. Run at a new release.

    python tools/facts.py [CRDS…]

CRDS are folders of CustomResourceDefinitions: config/crd/experimental of kubernetes-sigs/gateway-api (last: v1.7.0) and
of kubernetes-sigs/network-policy-api (last: v0.3.0), and of its v0.1.7 for AdminNetworkPolicy. Of a definition stays
what a program needs: names, versions, columns, the structure and limits of its schema; no text, no CEL rules
(kube/kinds/FAMILY/checks has ours). Without CRDS, what is known of their kinds stays as it is. The schemas of the
built-in kinds come from the `kubernetes-validate` package (pip install it; last: 1.37, the newest). What neither
says (enums of the built-in kinds) is in tools/enums.json, from the API reference.

The table: {"kinds": {"VERSION KIND": type}, "types": {type: {field: fact}}}. A fact is a type expression or a pair of
one and its extras. Type expressions: string, integer, number, boolean, bytes, time, quantity, int-or-string, any, the
name of another type, []X (list), {}X (map from string). A trailing "!" means required. Extras: enum, default, pattern,
min, max, minLength, maxLength, minItems, maxItems; list (set or atomic), keys (of a list that is a map), merge (patch
merge key, "" for a merged list of plain values), retain (patch strategy retainKeys).
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import shapes
import yaml

OUT = Path(__file__).parent.parent / "src/sealane/kube/facts.json"
CRDS = OUT.parent / "crds/definitions.json"
ANNOTATIONS = ("api-approved.kubernetes.io", "/bundle-version", "/channel")
"""Endings of the annotations of a definition that stay: Kubernetes and clients read them."""
ENUMS = Path(__file__).parent / "enums.json"

GROUPS = {
    "": ("v1",),
    "apps": ("v1",),
    "autoscaling": ("v1", "v2"),
    "batch": ("v1",),
    "coordination.k8s.io": ("v1",),
    "discovery.k8s.io": ("v1",),
    "events.k8s.io": ("v1",),
    "networking.k8s.io": ("v1",),
    "policy": ("v1",),
    "rbac.authorization.k8s.io": ("v1",),
    "scheduling.k8s.io": ("v1",),
    "storage.k8s.io": ("v1",),
    "node.k8s.io": ("v1",),
    "admissionregistration.k8s.io": ("v1",),
    "apiextensions.k8s.io": ("v1",),
    "apiregistration.k8s.io": ("v1",),
    "certificates.k8s.io": ("v1",),
    "resource.k8s.io": ("v1",),
    "flowcontrol.apiserver.k8s.io": ("v1",),
}
WORDS = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps": "any",
}
LIMITS = {
    "enum": "enum",
    "default": "default",
    "pattern": "pattern",
    "minimum": "min",
    "maximum": "max",
    "minLength": "minLength",
    "maxLength": "maxLength",
    "minItems": "minItems",
    "maxItems": "maxItems",
}
Fact = str | list[Any]


def short(name: str) -> str:
    for prefix in ("io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apimachinery.pkg.",
                   "io.k8s.kube-aggregator.pkg.apis.", "io.k8s.apiextensions-apiserver.pkg.apis."):  # fmt: skip
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def one_type(schema: dict[str, Any]) -> str:
    found = schema.get("type")
    if isinstance(found, list):
        found = next(each for each in found if each != "null")
    if found == "string" and schema.get("format") in ("byte", "date-time"):
        return "bytes" if schema["format"] == "byte" else "time"
    return str(found or "any")


class Builtin:
    """The built-in kinds, from JSON schema definitions."""

    def __init__(self, definitions: dict[str, Any], enums: dict[str, list[str]]) -> None:
        self.definitions = definitions
        self.enums = enums
        self.types: dict[str, dict[str, Fact]] = {}

    def add(self, name: str) -> None:
        if short(name) in self.types or name in WORDS:
            return
        fields: dict[str, Fact] = {}
        self.types[short(name)] = fields
        required = self.definitions[name].get("required", ())
        for field, schema in sorted(self.definitions[name]["properties"].items()):
            expression = self.expression(schema) + ("!" if field in required else "")
            extras = patch_extras(schema)
            if enum := self.enums.pop(f"{short(name)}.{field}", None):
                extras["enum"] = enum
            fields[field] = [expression, extras] if extras else expression

    def expression(self, schema: dict[str, Any]) -> str:
        if reference := schema.get("$ref"):
            name = reference.rpartition("/")[2]
            if name in WORDS:
                return WORDS[name]
            target = self.definitions[name]
            if "properties" in target:
                self.add(name)
                return short(name)
            return "any" if "type" not in target or one_type(target) == "object" else one_type(target)
        match one_type(schema):
            case "array":
                return "[]" + self.expression(schema["items"])
            case "object":
                return "{}" + self.expression(schema.get("additionalProperties") or {})
            case plain:
                return plain


def patch_extras(schema: dict[str, Any]) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if schema.get("x-kubernetes-list-type") in ("set", "atomic"):
        extras["list"] = schema["x-kubernetes-list-type"]
    if keys := schema.get("x-kubernetes-list-map-keys"):
        extras["keys"] = keys
    strategies = schema.get("x-kubernetes-patch-strategy", "").split(",")
    if "merge" in strategies:
        extras["merge"] = schema.get("x-kubernetes-patch-merge-key", "")
    if "retainKeys" in strategies:
        extras["retain"] = True
    return extras


class Custom:
    """Custom kinds, from the structural schemas of their definitions. Equal object shapes become one type."""

    def __init__(self) -> None:
        self.types: dict[str, dict[str, Fact]] = {}
        self.shapes: dict[str, str] = {}

    def add(self, name: str, schema: dict[str, Any]) -> str:
        fields: dict[str, Fact] = {}
        required = schema.get("required", ())
        for field, each in sorted(schema["properties"].items()):
            if field == "metadata":
                fields[field] = "meta.v1.ObjectMeta"
                continue
            expression = self.expression(f"{name}.{field}", each) + ("!" if field in required else "")
            extras = patch_extras(each) | {short_: each[long] for long, short_ in LIMITS.items() if long in each}
            items = each.get("items", {})
            if "enum" in items:
                extras["enum"] = items["enum"]
            if "pattern" in items:
                extras["pattern"] = items["pattern"]
            fields[field] = [expression, extras] if extras else expression
        shape = json.dumps(fields, sort_keys=True)
        if shape not in self.shapes:
            self.shapes[shape] = name
            self.types[name] = fields
        return self.shapes[shape]

    def expression(self, name: str, schema: dict[str, Any]) -> str:
        if schema.get("x-kubernetes-int-or-string"):
            return "int-or-string"
        match one_type(schema):
            case "array":
                return "[]" + self.expression(name, schema["items"])
            case "object" if "properties" in schema:
                return self.add(name, schema)
            case "object":
                return "{}" + self.expression(name, schema.get("additionalProperties") or {})
            case plain:
                return plain


def builtin() -> tuple[dict[str, str], dict[str, dict[str, Fact]]]:
    root = files("kubernetes_validate") / "kubernetes-json-schema"
    newest = max(
        (each.name for each in root.iterdir() if each.name.endswith("-local")),
        key=lambda name: [int(part) for part in name.removeprefix("v").removesuffix("-local").split(".")],
    )
    definitions = json.loads((root / newest / "_definitions.json").read_text())["$defs"]
    enums = json.loads(ENUMS.read_text())
    made = Builtin(definitions, enums)
    kinds = {}
    for name, definition in sorted(definitions.items()):
        for served in definition.get("x-kubernetes-group-version-kind", ()):
            group, version, kind = served["group"], served["version"], served["kind"]
            plain = kind.endswith(("List", "Options", "Status", "Review")) or kind in (
                "Scale",
                "Eviction",
                "WatchEvent",
            )
            if version in GROUPS.get(group, ()) and not plain and "metadata" in definition.get("properties", {}):
                made.add(name)
                kinds[f"{group}/{version} {kind}".removeprefix("/")] = short(name)
    if enums:
        sys.exit(f"tools/enums.json names fields that do not exist: {', '.join(enums)}")
    print(f"{newest}: {len(kinds)} kinds")
    return kinds, made.types


def custom(folders: list[Path]) -> tuple[dict[str, str], dict[str, dict[str, Fact]], dict[str, Any]]:
    made = Custom()
    kinds = {}
    definitions = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*_*.yaml"))):
        for document in yaml.safe_load_all(path.read_text()):
            if not document or document.get("kind") != "CustomResourceDefinition":
                continue
            spec = document["spec"]
            group, kind = spec["group"], spec["names"]["kind"]
            for version in spec["versions"]:
                name = f"{group.partition('.')[0]}.{version['name']}.{kind}"
                kinds[f"{group}/{version['name']} {kind}"] = made.add(name, version["schema"]["openAPIV3Schema"])
            definitions[document["metadata"]["name"]] = boiled(document)
    print(f"{len(definitions)} definitions, {len(kinds)} versions of kinds")
    return kinds, made.types, definitions


def boiled(definition: dict[str, Any]) -> dict[str, Any]:
    """A CustomResourceDefinition without schemas and texts; what is as usual is left out."""
    metadata, spec = definition["metadata"], definition["spec"]
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key.endswith(ANNOTATIONS)}
    versions = []
    for each in spec["versions"]:
        columns = [
            {key: column[key] for key in ("name", "type", "jsonPath", "priority", "format") if key in column}
            for column in each.get("additionalPrinterColumns") or ()
        ]
        version = {
            "name": each["name"],
            "served": each["served"],
            "storage": each["storage"],
            **({"deprecated": True} if each.get("deprecated") else {}),
            **({"columns": columns} if columns else {}),
            **({"subresources": sorted(each["subresources"])} if each.get("subresources") else {}),
        }
        versions.append(version)
    labels = {"labels": metadata["labels"]} if metadata.get("labels") else {}
    return {"scope": spec["scope"], "names": spec["names"], **labels, "annotations": kept, "versions": versions}


def lines(table: dict[str, Any]) -> str:
    rows = (f"{json.dumps(key)}:{json.dumps(table[key], separators=(',', ':'))}" for key in sorted(table))
    return "{\n" + ",\n".join(rows) + "\n}"


def kept() -> tuple[dict[str, str], dict[str, dict[str, Fact]]]:
    """What the table says already of kinds of CustomResourceDefinitions."""
    table = json.loads(OUT.read_text())
    groups = {name.partition(".")[2] for name in json.loads(CRDS.read_text())}
    kinds = {key: name for key, name in table["kinds"].items() if key.partition("/")[0] in groups}
    types = {name.partition(".")[0] for name in groups}
    builtin = {name.rpartition(".")[0] for key, name in table["kinds"].items() if key not in kinds}
    return kinds, {
        name: fields
        for name, fields in table["types"].items()
        if name.partition(".")[0] in types and ".".join(name.split(".")[:2]) not in builtin
    }


def main() -> None:
    kinds, types = builtin()
    if sys.argv[1:]:
        more_kinds, more_types, definitions = custom([Path(folder) for folder in sys.argv[1:]])
        CRDS.write_text(lines(definitions) + "\n")
    else:
        more_kinds, more_types = kept()
    kinds |= more_kinds
    types |= more_types

    OUT.write_text(f'{{"kinds":{lines(kinds)},\n"types":{lines(types)}}}\n')
    print(f"{OUT.name}: {len(types)} types, {OUT.stat().st_size // 1000} kB")
    shapes.write()


if __name__ == "__main__":
    main()
