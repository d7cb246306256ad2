"""Copies of requests."""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as pb
from envoy.type.v3 import percent_pb2

from sealane.dataplane.envoy import names
from sealane.kube.objects import Key
from sealane.network.routes.backends import of_mirror
from sealane.network.routes.filters.mirror import Mirror


def policy(mirror: Mirror, proxy: Key) -> pb.RouteAction.RequestMirrorPolicy:
    parts = percent_pb2.FractionalPercent(
        numerator=round(mirror.fraction * 1_000_000), denominator=percent_pb2.FractionalPercent.MILLION
    )
    return pb.RouteAction.RequestMirrorPolicy(
        cluster=names.cluster(of_mirror(mirror, proxy)),
        runtime_fraction=base_pb2.RuntimeFractionalPercent(default_value=parts),
        disable_shadow_host_suffix_append=True,
    )
