"""Requests that are sent again."""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as pb
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from google.protobuf import duration_pb2

from sealane.dataplane.envoy.packing import pack
from sealane.network.routes.filters.retry import Retry

UNSEEN = "connect-failure,refused-stream,reset-before-request"
"""Requests that no backend can have seen are sent again, to another endpoint: whatever their method, that is safe. So
pods can come and go without a failed request."""
LONGEST = 10
"""The longest pause between two tries, as a multiple of the shortest."""

AGAIN = base_pb2.HeaderValueOption(
    header=base_pb2.HeaderValue(
        key="x-envoy-retry-on",
        value="%CEL(request.method in ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'] ? 'reset' : '')%",
    )
)
"""Adds to the policy, for idempotent methods alone (RFC 9110, section 9.2.2): a request is sent again when its backend
has gone before a byte of the answer. The policy itself cannot ask for the method. Envoy keeps the header to itself."""
_PREVIOUS_HOSTS = pack(previous_hosts_pb2.PreviousHostsPredicate())


def policy(retry: Retry | None, backend_timeout: float) -> pb.RetryPolicy:
    """backend_timeout: of one try, in seconds, 0 for none."""
    made = pb.RetryPolicy(
        retry_on=UNSEEN,
        num_retries={"value": 4},
        per_try_timeout=duration(backend_timeout) if backend_timeout else None,
        retry_host_predicate=[
            pb.RetryPolicy.RetryHostPredicate(
                name="envoy.retry_host_predicates.previous_hosts", typed_config=_PREVIOUS_HOSTS
            )
        ],
        host_selection_retry_max_attempts=5,
        retry_back_off=pb.RetryPolicy.RetryBackOff(base_interval=duration(0.001), max_interval=duration(0.025)),
    )
    if retry is not None:
        made.retry_on = f"{UNSEEN},reset,retriable-status-codes"
        made.retriable_status_codes.extend(retry.codes)
        made.num_retries.value = retry.attempts
        if retry.backoff:
            made.retry_back_off.base_interval.CopyFrom(duration(retry.backoff))
            made.retry_back_off.max_interval.CopyFrom(duration(retry.backoff * LONGEST))
    return made


def duration(seconds: float) -> duration_pb2.Duration:
    nanos = round(seconds * 1e9)
    return duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
