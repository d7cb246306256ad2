"""Names: the DNS names of a cluster, the answer of each, and the names that a pod asks for.

`records` turns Services, EndpointSlices and Namespaces into records; `zone` answers a question from them; `resolver`
says what a pod's resolv.conf holds and which names it makes of one; `resolution` joins them: the meaning of a name to a
pod. Source of the rules: the Kubernetes DNS specification 1.1.0,
https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""

from sealane.network.names.records import Record, ZoneData, cluster_names, records_of_namespace, records_of_service
from sealane.network.names.resolution import Asked, Resolution, pod_resolution, resolution
from sealane.network.names.resolver import Resolver, pod_resolver, queries
from sealane.network.names.zone import Answer, Zone

__all__ = [
    "Answer",
    "Asked",
    "Record",
    "Resolution",
    "Resolver",
    "Zone",
    "ZoneData",
    "cluster_names",
    "pod_resolution",
    "pod_resolver",
    "queries",
    "records_of_namespace",
    "records_of_service",
    "resolution",
]
