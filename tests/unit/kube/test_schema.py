from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from sealane.kube import kinds, schema, views
from sealane.kube.schema import Type
from sealane.kube.views.base import View


def test_every_built_in_kind_has_a_schema() -> None:
    for kind in kinds.BUILTIN:
        assert schema.root(kind.api_version, kind.kind) is not None, kind


def test_every_type_can_be_prepared() -> None:
    prepared = set()

    def prepare(found: Type) -> None:
        if found.name not in prepared:
            prepared.add(found.name)
            for each in found.fields.values():
                if each.element not in schema.PLAIN:
                    prepare(schema.named(each.element))

    for api_version, kind in schema.kinds():
        top = schema.root(api_version, kind)
        assert top is not None
        prepare(top)
    assert len(prepared) > 400


def test_facts_of_some_fields() -> None:
    spec = schema.named("core.v1.ServiceSpec")
    ports = spec.fields["ports"]
    assert (ports.type, ports.element, ports.merge_key) == ("[]core.v1.ServicePort", "core.v1.ServicePort", "port")
    assert ports.list_keys == ("port", "protocol")
    assert schema.named("core.v1.ServicePort").required == ("port",)
    assert spec.fields["selector"].type == "{}string"
    assert schema.named("meta.v1.ObjectMeta").fields["finalizers"].merge_key == ""
    route = schema.root("gateway.networking.k8s.io/v1", "HTTPRoute")
    backends = schema.child(schema.child(schema.child(route, "spec"), "rules"), "backendRefs")
    assert backends is not None
    weight = backends.fields["weight"]
    assert (weight.default, weight.minimum, weight.maximum) == (1, 0, 1000000)


def shapes_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for argument in get_args(hint):
        yield from shapes_in(argument)


@pytest.mark.parametrize(
    "kind", [kind for kind in kinds.BUILTIN if hasattr(views, kind.kind)], ids=lambda kind: kind.kind
)
def test_views_name_only_fields_that_exist(kind: kinds.Kind) -> None:
    seen: set[tuple[type, str]] = set()
    # Fields of views that read two types of which one lacks them.
    extra = {"observedGeneration", "partition", "scope", "namespace", "ipMode", "maxSurge"}

    def compare(shape: type, found: Type) -> None:
        if (shape, found.name) in seen:
            return
        seen.add((shape, found.name))
        hints = get_type_hints(shape)
        for each in msgspec.structs.fields(shape):
            if each.encode_name not in found.fields and each.encode_name in extra:
                continue
            assert each.encode_name in found.fields, f"{shape.__name__}.{each.name}: not in {found.name}"
            inner = schema.child(found, each.encode_name)
            for below in shapes_in(hints[each.name]):
                assert inner is not None, f"{shape.__name__}.{each.name}"
                compare(below, inner)

    shape = getattr(views, kind.kind)
    assert issubclass(shape, View)
    top = schema.root(kind.api_version, kind.kind)
    assert top is not None
    compare(shape, top)
