"""Types of gateway/v1alpha2.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from sealane.kube.shapes import gateway_v1, meta_v1


class TCPRoute(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[TCPRouteSpec]
    status: gateway_v1.GRPCRouteStatus


class TCPRouteSpec(TypedDict, total=False):
    parentRefs: list[gateway_v1.BackendTLSPolicyStatusAncestorsAncestorRef]
    rules: Required[list[gateway_v1.TCPRouteSpecRules]]
    useDefaultGateways: Literal["All", "None"]


class TLSRoute(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[TLSRouteSpec]
    status: gateway_v1.GRPCRouteStatus


class TLSRouteSpec(TypedDict, total=False):
    hostnames: list[str]
    parentRefs: list[gateway_v1.BackendTLSPolicyStatusAncestorsAncestorRef]
    rules: Required[list[gateway_v1.TCPRouteSpecRules]]
    useDefaultGateways: Literal["All", "None"]
