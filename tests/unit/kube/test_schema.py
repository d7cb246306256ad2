from __future__ import annotations

from sealane.kube import kinds, schema
from sealane.kube.schema import Type


def test_every_built_in_kind_has_a_schema() -> None:
    for kind in kinds.KNOWN:
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
