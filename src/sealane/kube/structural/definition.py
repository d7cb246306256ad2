"""Whether a CustomResourceDefinition can be taken: names, versions, schemas, columns, subresources.

Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sealane.kube import names
from sealane.kube.gotext import shown
from sealane.kube.objects import Raw
from sealane.kube.structural.approval import APPROVED, approval, protected
from sealane.kube.structural.defaults import with_defaults
from sealane.kube.structural.embedded import embedded_causes
from sealane.kube.structural.fieldpaths import walk
from sealane.kube.structural.keywords import keyword_causes
from sealane.kube.structural.limits import Cause
from sealane.kube.structural.node import MISSING, Node
from sealane.kube.structural.paths import at
from sealane.kube.structural.prune import pruned
from sealane.kube.structural.rules import rule_causes
from sealane.kube.structural.structure import forbidden, invalid, required, structure_causes
from sealane.kube.structural.validate import checked

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = (
    "binary", "byte", "date", "date-time", "double", "float", "int32", "int64", "password",
)  # fmt: skip
_AT_ROOT = (
    "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items", "properties",
    "externalDocs", "example", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
)  # fmt: skip
_MOST_SELECTABLE = 8


def definition_causes(crd: Raw, old: Raw | None = None) -> list[Cause]:
    """The errors of a definition; `old` is what it replaces. Names that it leaves out are already filled in."""
    spec: Raw = crd.get("spec") or {}
    causes = list(_identity(crd, spec))
    causes += _versions(spec)
    causes += _names(spec.get("names") or {}, "spec.names")
    causes += _conversion(spec.get("conversion") or {})
    if old is not None:
        causes += _fixed(spec, old)
    stored = (old or {}).get("status", {}).get("storedVersions") or ()
    causes += _stored(spec, stored)
    causes += _approval(crd, old)
    if spec.get("preserveUnknownFields") and not ((old or {}).get("spec") or {}).get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        causes.append(invalid("spec.preserveUnknownFields", True, why))
    return causes


def _identity(crd: Raw, spec: Raw) -> Iterator[Cause]:
    words: Raw = spec.get("names") or {}
    group, plural = spec.get("group") or "", words.get("plural") or ""
    name = crd["metadata"]["name"]
    if name != f"{plural}.{group}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield required("spec.group")
    elif wrong := list(names.dns_subdomain(group)):
        yield invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")
    scope = spec.get("scope") or ""
    if not scope:
        yield required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        said = f'Unsupported value: {shown(scope)}: supported values: "Cluster", "Namespaced"'
        yield ("spec.scope", "FieldValueNotSupported", said)


def _versions(spec: Raw) -> Iterator[Cause]:
    versions: Sequence[Raw] = spec.get("versions") or []
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")
    # Parts that all versions share are checked once, and named as if they stood outside of them.
    one_schema = _alike(versions, "schema")
    one_subresources = _alike(versions, "subresources")
    one_columns = _alike(versions, "additionalPrinterColumns")
    has_status = any("status" in (version.get("subresources") or {}) for version in versions)
    for index, version in enumerate(versions):
        where = f"spec.versions[{index}]"
        if wrong := list(names.dns_1035_label(version.get("name") or "")):
            yield invalid(f"{where}.name", version.get("name") or "", ",".join(wrong))
        yield from _deprecation(version, where)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema and not one_schema:
            status = "status" in (version.get("subresources") or {})
            yield from schema_causes(schema, f"{where}.schema.openAPIV3Schema", status)
        if not one_subresources:
            yield from _subresources(version.get("subresources") or {}, f"{where}.subresources")
        if not one_columns:
            for at_, column in enumerate(version.get("additionalPrinterColumns") or ()):
                yield from _column(column, f"{where}.additionalPrinterColumns[{at_}]")
        if version.get("selectableFields"):
            yield from _selectable(version["selectableFields"], schema or {}, f"{where}.selectableFields")
    called = [version.get("name") for version in versions]
    if len(set(called)) != len(called):
        yield invalid("spec.versions", versions, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield invalid("spec.versions", versions, "must have exactly one version marked as storage version")
    if one_schema:
        yield from schema_causes(one_schema["openAPIV3Schema"], "spec.validation.openAPIV3Schema", has_status)
    if one_subresources:
        yield from _subresources(one_subresources, "spec.subresources")
    for at_, column in enumerate(one_columns or ()):
        yield from _column(column, f"spec.additionalPrinterColumns[{at_}]")


def _alike(versions: Sequence[Raw], field: str) -> Any:
    found = [version.get(field) for version in versions]
    return found[0] if found and found[0] and all(each == found[0] for each in found) else None


def _deprecation(version: Raw, path: str) -> Iterator[Cause]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    where = f"{path}.deprecationWarning"
    if not version.get("deprecated"):
        yield invalid(where, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > 256:
        yield invalid(where, text, "must be <= 256 characters long")
    if not text:
        yield invalid(where, text, "must not be an empty string")
    for index, letter in enumerate(text):
        if not letter.isprintable():
            why = f"must only contain printable UTF-8 characters; non-printable character found at index {index}"
            yield invalid(where, text, why)
            break


def schema_causes(schema: Raw, path: str, has_status: bool = False) -> list[Cause]:
    """The errors of a version's schema. has_status: its status is a subresource."""
    if not isinstance(schema, dict):
        return [invalid(path, schema, "must be an object")]
    causes: list[Cause] = []
    if has_status:
        odd = [key for key, value in schema.items() if key not in _AT_ROOT and value not in (None, "", [], {}, False)]
        if schema.get("type") != "object":
            why = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            causes.append(invalid(f"{path}.type", schema.get("type") or "", why))
        elif odd:
            allowed = " ".join(map(_in_go, _AT_ROOT))
            why = f"only [{allowed}] fields are allowed at the root of the schema if the status subresource is enabled"
            causes.append(invalid(path, schema, why))
    if schema.get("nullable"):
        causes.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    structure = structure_causes(schema, path)
    causes += structure
    if not structure:
        wrong_defaults = list(_defaults(Node.of(schema), path, True, False))
        causes += wrong_defaults
        structure = wrong_defaults
    return causes + keyword_causes(schema, path, rules=not structure)


def _in_go(key: str) -> str:
    """The name of a keyword in the words of the message."""
    if key.startswith("x-kubernetes-"):
        return "X" + "".join(part.capitalize() for part in key.removeprefix("x-kubernetes-").split("-"))
    return key[0].upper() + key[1:]


def _defaults(node: Node, path: str, root: bool, in_metadata: bool) -> Iterator[Cause]:
    """Defaults have to be valid and pruned."""
    if not node.has_defaults and node.default is MISSING:
        return
    if node.default is not MISSING and node.default is not None:
        where = f"{path}.default"
        unknown: list[str] = []
        pruned(node, node.default, unknown, "", False)
        if unknown and not in_metadata:
            yield invalid(where, node.default, "must not have unknown fields")
        found = [
            *(_moved(where, each) for each in checked(node, node.default)),
            *embedded_causes(node, node.default, where),
        ]
        yield from found
        if not found and node.has_rules:
            value = with_defaults(node, node.default)
            for place, reason, said in rule_causes(node, value, None, []):
                yield _moved(where, (place, reason, said), "<nil>")
    if node.items is not None:
        yield from _defaults(node.items, f"{path}.items", False, in_metadata)
    for name, each in node.properties.items():
        meta = in_metadata or ((root or node.embedded) and name in ("metadata", "apiVersion", "kind"))
        yield from _defaults(each, at(f"{path}.properties", name), False, meta)


def _moved(path: str, cause: Cause, root: str = "") -> Cause:
    """A cause about the value at `path`. root: how it names the whole value."""
    rest, reason, said = cause
    if rest == root:
        return (path, reason, said)
    return cause if rest == "<nil>" else (f"{path}.{rest}", reason, said)


def _subresources(found: Mapping[str, Any], path: str) -> Iterator[Cause]:
    scale = found.get("scale")
    if scale is None:
        return
    for name, prefixes, where in (
        ("specReplicasPath", (".spec.",), ".spec"),
        ("statusReplicasPath", (".status.",), ".status"),
        ("labelSelectorPath", (".spec.", ".status."), "either .spec or .status"),
    ):
        value, place = scale.get(name) or "", f"{path}.scale.{name}"
        if not value:
            if name != "labelSelectorPath":
                yield required(place)
        elif value[0] != ".":
            yield invalid(place, value, "must be a simple json path starting with .")
        elif not value.startswith(prefixes):
            yield invalid(place, value, f"should be a json path under {where}")


def _column(column: Raw, path: str) -> Iterator[Cause]:
    if not column.get("name"):
        yield required(f"{path}.name")
    type_, form, expression = (column.get(key) or "" for key in ("type", "format", "jsonPath"))
    why = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not type_:
        yield required(f"{path}.type", why)
    elif type_ not in _COLUMN_TYPES:
        yield invalid(f"{path}.type", type_, why)
    if form and form not in _COLUMN_FORMATS:
        yield invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not expression:
        yield required(f"{path}.JSONPath")
    elif expression[0] != ".":
        yield invalid(f"{path}.JSONPath", expression, "must be a simple json path starting with .")


def _selectable(fields: Iterable[Raw], schema: Raw, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, each in enumerate(fields):
        where, expression = f"{path}[{index}].jsonPath", each.get("jsonPath") or ""
        if not expression:
            yield required(where)
            continue
        try:
            found = walk(schema, expression, brackets=False)
        except ValueError as error:
            yield invalid(where, expression, f"is an invalid path: {error}")
            continue
        if expression.startswith(".metadata"):
            yield invalid(where, expression, "must not point to fields in metadata")
        if found.get("type") not in ("string", "boolean", "integer"):
            why = "must point to a field of type string, boolean or integer. Enum string fields and strings with "
            why += "formats are allowed."
            yield invalid(where, expression, why)
        if expression in seen:
            yield (where, "FieldValueDuplicate", f"Duplicate value: {shown(expression)}")
        seen.add(expression)
    if len(seen) > _MOST_SELECTABLE:
        said = f"Too many: {len(seen)}: must have at most {_MOST_SELECTABLE} items"
        yield (path, "FieldValueTooMany", said)


def _names(words: Raw, path: str) -> Iterator[Cause]:
    for name in ("plural", "singular", "kind", "listKind"):
        if not words.get(name):
            yield required(f"{path}.{name}")
    for name in ("plural", "singular"):
        if words.get(name) and (wrong := list(names.dns_1035_label(words[name]))):
            yield invalid(f"{path}.{name}", words[name], ",".join(wrong))
    for name in ("kind", "listKind"):
        if words.get(name) and (wrong := list(names.dns_1035_label(words[name].lower()))):
            why = "may have mixed case, but should otherwise match: " + ",".join(wrong)
            yield invalid(f"{path}.{name}", words[name], why)
    for name in ("shortNames", "categories"):
        for index, each in enumerate(words.get(name) or ()):
            if wrong := list(names.dns_1035_label(each)):
                yield invalid(f"{path}.{name}[{index}]", each, ",".join(wrong))
    if words.get("kind") and words.get("kind") == words.get("listKind"):
        yield invalid(f"{path}.listKind", words["listKind"], "kind and listKind may not be the same")


def _conversion(conversion: Raw) -> Iterator[Cause]:
    path, strategy = "spec.conversion", conversion.get("strategy") or "None"
    hook: Raw = conversion.get("webhook") or {}
    if strategy not in ("None", "Webhook"):
        said = f'Unsupported value: {shown(strategy)}: supported values: "None", "Webhook"'
        yield (f"{path}.strategy", "FieldValueNotSupported", said)
    elif strategy == "None" and hook:
        yield forbidden(f"{path}.webhookClientConfig", "should not be set when strategy is not set to Webhook")
    elif strategy == "Webhook":
        client = hook.get("clientConfig")
        if client is None:
            yield required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
        elif ("url" in client) == ("service" in client):
            yield required(f"{path}.webhookClientConfig", "exactly one of url or service is required")
        reviews = hook.get("conversionReviewVersions") or []
        if not reviews:
            yield required(f"{path}.conversionReviewVersions")
        elif not {"v1", "v1beta1"} & set(reviews):
            yield invalid(f"{path}.conversionReviewVersions", reviews, "must include at least one of v1, v1beta1")


def _fixed(spec: Raw, old: Raw) -> Iterator[Cause]:
    """The names under which objects are stored do not change."""
    before: Raw = old["spec"]
    conditions = (old.get("status") or {}).get("conditions") or ()
    established = any(each.get("type") == "Established" and each.get("status") == "True" for each in conditions)
    paths = [("scope",), ("names", "kind")] if established else []
    for path in (*paths, ("group",), ("names", "plural")):
        was, now = _at(before, path), _at(spec, path)
        if was != now:
            yield invalid(".".join(("spec", *path)), now, "field is immutable")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _stored(spec: Raw, stored: Sequence[str]) -> Iterator[Cause]:
    served = [version.get("name") for version in spec.get("versions") or ()]
    for index, name in enumerate(stored):
        if name not in served:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            yield invalid(f"status.storedVersions[{index}]", name, why)


# Groups of Kubernetes itself (https://github.com/kubernetes/enhancements/pull/1111)


def _approval(crd: Raw, old: Raw | None) -> Iterator[Cause]:
    if not protected((crd.get("spec") or {}).get("group") or ""):
        return
    annotations = crd["metadata"].get("annotations") or {}
    state, why = approval(annotations)
    if old is not None and approval(old["metadata"].get("annotations") or {})[0] == state:
        return
    path = f"metadata.annotations[{APPROVED}]"
    if state == "missing":
        yield required(path, why)
    elif state == "invalid":
        yield invalid(path, annotations[APPROVED], why)
