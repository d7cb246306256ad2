"""Names, labels and annotations: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sealane.kube import names
from sealane.kube.names import Check
from sealane.kube.problems import Part, Problem

_ANNOTATION_BYTES = 256 * 1024


def check_metadata(obj: Part, namespaced: bool | None, check: Check = names.dns_subdomain) -> Iterator[Problem]:
    """metadata of a whole object. namespaced None: the kind's scope is not known. check: what its names may be."""
    metadata = obj["metadata"]
    name, prefix = metadata["name"], metadata["generateName"]
    if name.empty and prefix.empty:
        yield name.required("name or generateName is required")
    for part, text in ((name, metadata.text("name")), (prefix, metadata.text("generateName").rstrip("-"))):
        if text:
            yield from (part.invalid(why) for why in check(text))
    namespace = metadata.text("namespace")
    if namespace and namespaced is False:
        yield metadata["namespace"].forbidden(f"a {obj.text('kind')} is not in a namespace")
    elif namespace:
        yield from (metadata["namespace"].invalid(why) for why in _wrong_namespace(namespace))
    yield from check_labels(metadata["labels"])
    yield from check_annotations(metadata["annotations"])
    for finalizer in metadata.each("finalizers"):
        if isinstance(finalizer.value, str):
            yield from (finalizer.invalid(why) for why in names.qualified_name(finalizer.value))


# The same keys, values and namespaces come again and again.


@lru_cache(maxsize=4096)
def _wrong_key(text: str) -> tuple[str, ...]:
    return tuple(names.qualified_name(text))


@lru_cache(maxsize=4096)
def _wrong_value(text: str) -> tuple[str, ...]:
    return tuple(names.label_value(text))


@lru_cache(maxsize=1024)
def _wrong_namespace(text: str) -> tuple[str, ...]:
    return tuple(names.dns_label(text))


def check_labels(labels: Part) -> Iterator[Problem]:
    """A map of labels, or a selector in map form."""
    for key, value in labels.items():
        for why in _wrong_key(key):
            yield labels.invalid(why, key)
        if isinstance(value, str):
            for why in _wrong_value(value):
                yield labels.invalid(why, value)


def check_annotations(annotations: Part) -> Iterator[Problem]:
    size = 0
    for key, value in annotations.items():
        for why in _wrong_key(key.lower()):
            yield annotations.invalid(why, key)
        size += len(key.encode()) + (len(value.encode()) if isinstance(value, str) else 0)
    if size > _ANNOTATION_BYTES:
        message = f"Too long: may not be more than {_ANNOTATION_BYTES} bytes"
        yield Problem(annotations.path, message, "FieldValueTooLong")


def check_selector(selector: Part) -> Iterator[Problem]:
    """meta/v1 LabelSelector."""
    yield from check_labels(selector["matchLabels"])
    for expression in selector.each("matchExpressions"):
        key, values = expression.text("key"), expression["values"]
        if key:
            yield from (expression["key"].invalid(why) for why in names.qualified_name(key))
        match expression.text("operator"):
            case "In" | "NotIn" if values.empty:
                yield values.required("must be specified when `operator` is 'In' or 'NotIn'")
            case "Exists" | "DoesNotExist" if not values.empty:
                yield values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        for value in expression.each("values"):
            if isinstance(value.value, str):
                yield from (value.invalid(why) for why in names.label_value(value.value))
