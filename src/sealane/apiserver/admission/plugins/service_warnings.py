"""Warnings to the client about a Service's fields without effect. Source: pkg/api/service/warnings.go of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator

from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.kube import kinds
from sealane.kube.objects import Raw

_OLD_HINTS = "service.kubernetes.io/topology-aware-hints"
_HINTS = "service.kubernetes.io/topology-mode"


def warnings(service: Raw) -> Iterator[str]:
    spec = service.get("spec") or {}
    type_ = spec.get("type") or "ClusterIP"
    if _OLD_HINTS in (service["metadata"].get("annotations") or {}):
        yield f"annotation {_OLD_HINTS} is deprecated, please use {_HINTS} instead"
    if type_ == "ClusterIP" and spec.get("clusterIP") == "None":
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.get("externalIPs"):
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity", "None") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    if type_ == "ExternalName" and spec.get("externalIPs"):
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if type_ != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'


def step() -> Step:
    def check(attempt: Attempt) -> None:
        if attempt.operation in ("CREATE", "UPDATE") and not attempt.subresource and attempt.new is not None:
            for text in warnings(attempt.new):
                attempt.options.warn(text)

    return Step("ServiceWarnings", frozenset({(kinds.SERVICE.group, kinds.SERVICE.plural)}), check=check)
