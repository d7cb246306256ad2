"""Services: the addresses and ports of a Service, the endpoints behind them, and the clients that may use each.

`compile` is the one place that reads Service and EndpointSlice fields for the data plane and for explanations; `select`
is the one place that says which endpoints a packet can be given to. Both nft/ and explain/ read the values of `model`.
"""

from sealane.network.services.balancer import balanced_nodes, is_ours, local_endpoints
from sealane.network.services.compile import derive_services, service_model
from sealane.network.services.model import (
    Backend,
    Family,
    Frontend,
    Protocol,
    ServiceModel,
    ServicePort,
    TrafficPolicy,
    VipKind,
)
from sealane.network.services.node_ports import has_node_ports, node_port_addresses
from sealane.network.services.select import (
    Place,
    Selection,
    TrafficFrom,
    cluster_backends,
    find_frontend,
    frontend_index,
    local_backends,
    select_backends,
    source_allowed,
    source_ranges,
)

__all__ = [
    "Backend",
    "Family",
    "Frontend",
    "Place",
    "Protocol",
    "Selection",
    "ServiceModel",
    "ServicePort",
    "TrafficFrom",
    "TrafficPolicy",
    "VipKind",
    "balanced_nodes",
    "cluster_backends",
    "derive_services",
    "find_frontend",
    "frontend_index",
    "has_node_ports",
    "is_ours",
    "local_backends",
    "local_endpoints",
    "node_port_addresses",
    "select_backends",
    "service_model",
    "source_allowed",
    "source_ranges",
]
