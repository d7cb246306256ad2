"""Limits on the requests of each client, by a bucket of tokens for each address. Where a route says nothing, none."""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as pb
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2 as limit_pb2
from envoy.type.v3 import http_status_pb2, percent_pb2, token_bucket_pb2

from sealane.dataplane.envoy.filters.retry import duration
from sealane.network.routes.filters.limit import Limit

FILTER = "envoy.filters.http.local_ratelimit"
CLIENTS = 4096
"""Addresses that are remembered for a route: the one that was away longest is forgotten."""
_SHORTEST = 0.05
"""Seconds between two fills of a bucket."""
_ALL = base_pb2.RuntimeFractionalPercent(
    default_value=percent_pb2.FractionalPercent(numerator=100, denominator=percent_pb2.FractionalPercent.HUNDRED)
)
_BOUNDLESS = token_bucket_pb2.TokenBucket(max_tokens=2**31, tokens_per_fill={"value": 2**31}, fill_interval=duration(1))


def none() -> limit_pb2.LocalRateLimit:
    """The configuration of the filter itself."""
    return limit_pb2.LocalRateLimit(stat_prefix="limit")


def per_route(limits: Iterable[Limit]) -> limit_pb2.LocalRateLimit:
    """The configuration of a route."""
    made = limit_pb2.LocalRateLimit(
        stat_prefix="limit",
        token_bucket=_BOUNDLESS,
        filter_enabled=_ALL,
        filter_enforced=_ALL,
        max_dynamic_descriptors={"value": CLIENTS},
    )
    action = pb.RateLimit.Action
    for number, limit in enumerate(limits):
        made.status.code = http_status_pb2.StatusCode.Name(limit.status)
        key = action(generic_key=action.GenericKey(descriptor_key="limit", descriptor_value=str(number)))
        client = action(remote_address=action.RemoteAddress())
        made.rate_limits.append(pb.RateLimit(actions=[key, client]))
        entry = ratelimit_pb2.RateLimitDescriptor.Entry
        made.descriptors.append(
            ratelimit_pb2.LocalRateLimitDescriptor(
                entries=[entry(key="limit", value=str(number)), entry(key="remote_address")],
                token_bucket=_bucket(limit),
            )
        )
    return made


def _bucket(limit: Limit) -> token_bucket_pb2.TokenBucket:
    each = limit.seconds / limit.number
    tokens = max(1, round(_SHORTEST / each))
    return token_bucket_pb2.TokenBucket(
        max_tokens=max(limit.burst + 1, tokens),
        tokens_per_fill={"value": tokens},
        fill_interval=duration(tokens * each),
    )
