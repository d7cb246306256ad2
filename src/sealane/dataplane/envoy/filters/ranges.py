"""Addresses of clients that are served. The filter lets everybody pass where a route says nothing."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from envoy.config.core.v3 import address_pb2
from envoy.config.rbac.v3 import rbac_pb2 as rules_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2

from sealane.network.routes.filters.ranges import Ranges

FILTER = "envoy.filters.http.rbac"


def per_route(ranges: Ranges) -> rbac_pb2.RBACPerRoute:
    """The configuration of a route."""
    wanted = [rules_pb2.Principal(not_id=each) for each in _principals(ranges.deny)]
    if ranges.allow:
        wanted.append(rules_pb2.Principal(or_ids=rules_pb2.Principal.Set(ids=_principals(ranges.allow))))
    policy = rules_pb2.Policy(
        permissions=[rules_pb2.Permission(any=True)],
        principals=[rules_pb2.Principal(and_ids=rules_pb2.Principal.Set(ids=wanted))],
    )
    return rbac_pb2.RBACPerRoute(rbac=rbac_pb2.RBAC(rules=rules_pb2.RBAC(policies={"ranges": policy})))


def _principals(ranges: Iterable[str]) -> list[rules_pb2.Principal]:
    networks = (ip_network(each) for each in ranges)
    return [
        rules_pb2.Principal(
            direct_remote_ip=address_pb2.CidrRange(
                address_prefix=str(each.network_address), prefix_len={"value": each.prefixlen}
            )
        )
        for each in networks
    ]
