"""The definitions of Service, its endpoints and its addresses."""

from __future__ import annotations

from sealane.kube import names
from sealane.kube.kinds import ENDPOINTS, ENDPOINTSLICE, IPADDRESS, SERVICE, SERVICECIDR
from sealane.kube.kinds.definition import Definition, Usage, fields
from sealane.kube.kinds.services import changes, checks, columns, defaults
from sealane.kube.kinds.services.ranges import FINALIZER, ready
from sealane.kube.kinds.services.usage import usage

ROWS = (
    Definition(
        kind=SERVICE,
        names=names.dns_1035_label,
        defaults=defaults.service,
        checks=checks.check_service,
        birth=lambda _service, _now: {"loadBalancer": {}},
        carried=changes.without_former_type,
        changes={"": changes.check_service_change},
        made_by_update=True,
        shown_when_deleted=True,
        columns=columns.SERVICE,
        selectable=fields("spec.clusterIP", "spec.type"),
        usage=Usage("services", usage, lambda name: name.startswith("services.")),
    ),
    Definition(
        kind=ENDPOINTS,
        defaults=defaults.endpoints,
        checks=checks.check_endpoints,
        made_by_update=True,
        columns=columns.ENDPOINTS,
    ),
    Definition(
        kind=ENDPOINTSLICE,
        defaults=defaults.endpoint_slice,
        checks=checks.check_endpoint_slice,
        fixed=(("addressType",),),
        generation=True,
        columns=columns.ENDPOINT_SLICE,
    ),
    Definition(
        kind=IPADDRESS,
        names=names.canonical_address,
        checks=checks.check_ip_address,
        fixed=(("spec", "parentRef"),),
        generation=True,
        columns=columns.IP_ADDRESS,
    ),
    Definition(
        kind=SERVICECIDR,
        finalizers=(FINALIZER,),
        checks=checks.check_service_cidr,
        birth=ready,
        generation=True,
        columns=columns.SERVICE_CIDR,
    ),
)
