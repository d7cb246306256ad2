"""The fields of a Service that may change, and those that go with a change of its type.

Sources: validateLoadBalancerClassField and validateServiceExternalTrafficFieldsUpdate of
k8s.io/kubernetes/pkg/apis/core/validation, dropTypeDependentFields of pkg/registry/core/service
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

ADDRESS_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort")


def check_service_change(service: Part, old: Raw) -> Iterator[Problem]:
    spec, was = service["spec"], old.get("spec") or {}
    if spec.text("type") != "LoadBalancer" or was.get("type") != "LoadBalancer":
        return
    if spec["loadBalancerClass"].value != was.get("loadBalancerClass"):
        yield spec["loadBalancerClass"].invalid("may not change once set")
    if spec.text("externalTrafficPolicy") == was.get("externalTrafficPolicy") == "Local":
        port = spec["healthCheckNodePort"]
        if port.value and port.value != was.get("healthCheckNodePort"):
            yield port.forbidden("field is immutable")


def without_former_type(service: Raw, old: Raw) -> Raw:
    """An update that changes only the type means that what belonged to the former type goes with it.

    Only what is as it was is dropped. Source: dropTypeDependentFields in pkg/registry/core/service/storage
    """
    spec, was = dict(service.get("spec") or {}), old.get("spec") or {}
    type_, old_type = spec.get("type", "ClusterIP"), was.get("type", "ClusterIP")
    gone: list[str] = []
    if _needs_check(was) and not _needs_check(spec):
        gone.append("healthCheckNodePort")
    if type_ == old_type:
        if gone and spec.get(gone[0]) == was.get(gone[0]):
            spec.pop(gone[0], None)
            return {**service, "spec": spec}
        return service
    if type_ == "ExternalName":
        gone += ADDRESS_FIELDS
    if type_ in ("ClusterIP", "ExternalName"):
        ports, old_ports = spec.get("ports") or [], was.get("ports") or []
        if [port.get("nodePort") for port in ports] == [port.get("nodePort") for port in old_ports]:
            spec["ports"] = without_node_ports(spec)
        if not spec.get("externalIPs"):
            gone.append("externalTrafficPolicy")
    if type_ != "LoadBalancer":
        gone += ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort")
    if old_type == "ExternalName":
        gone.append("externalName")
    for field_name in gone:
        if field_name in spec and spec[field_name] == was.get(field_name):
            del spec[field_name]
    return {**service, "spec": spec}


def _needs_check(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def without_node_ports(spec: Raw) -> list[Raw]:
    return [{key: value for key, value in port.items() if key != "nodePort"} for port in spec.get("ports") or ()]
