"""An API with all its followers at work: the part of a cluster that is killed and started again as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealane.apiserver.access.tokens import AccountTokens
from sealane.apiserver.api import Api
from sealane.apiserver.clock import timestamp
from sealane.apiserver.followers import roles
from sealane.apiserver.followers.addresses import Ranges
from sealane.apiserver.followers.certificates import Authority, Signing
from sealane.apiserver.followers.contents import Contents
from sealane.apiserver.followers.garbage import Collector
from sealane.apiserver.followers.quotas import Quotas
from sealane.apiserver.followers.roles import Aggregation
from sealane.apiserver.followers.token_secrets import TokenSecrets
from sealane.apiserver.node_agent import LogReader, Streams
from sealane.apiserver.objects.states import born, new_metadata
from sealane.apiserver.registry.definitions import established
from sealane.apiserver.registry.resources import DEFINITIONS
from sealane.apiserver.storage.backends import Address
from sealane.apiserver.storage.store import Store
from sealane.kube import crds, kinds
from sealane.kube.kinds.extensions.rows import CLEANUP

if TYPE_CHECKING:
    from sealane.apiserver.admission.webhooks.calls import OpenSocket


def start_api(
    store: Store,
    log_reader: LogReader | None = None,
    root_ca: str = "",
    streams: Streams | None = None,
    accounts: AccountTokens | None = None,
    authority: Authority | None = None,
    open_socket: OpenSocket | None = None,
) -> Api:
    """The API of `store`, followed. Outside an event loop the followers begin at the first commit.

    authority: who signs client certificates, None for nobody; everything else is what Api takes.
    """
    api = Api(store, log_reader, root_ca, streams, accounts, open_socket)
    for follower in (Collector, Contents, Ranges, Aggregation, Quotas):
        follower(api)
    if authority is not None:
        Signing(api, authority)
    if accounts is not None:
        TokenSecrets(api, accounts)
    return api


def furnish(api: Api) -> None:
    """Queues what every API holds from the start, and lacks, for the next commit. Call it in the event loop.

    The default roles, and the CustomResourceDefinitions of `kube.crds`.
    A group of which the store holds any definition is left alone: what was deleted or replaced there stays so.
    """
    roles.furnish(api)
    there = {stored.object.spec.get("group") for stored in api.store.items(DEFINITIONS)}
    served = api.resources.of(kinds.CRD)
    for raw in crds.objects():
        if raw["spec"]["group"] in there:
            continue
        raw["metadata"]["finalizers"] = [CLEANUP]
        # Their fields have no managers, so that an official definition applies over them; and no version counts as
        # stored, so that an older one may lack versions of ours.
        raw["metadata"]["managedFields"] = [{**_STATUS_ONLY, "time": timestamp()}]
        raw["status"] = {**established(raw, api.resources.names), "storedVersions": []}
        metadata = new_metadata(raw)
        stored = api.store.stamped(born(served, raw, metadata))
        api.store.enqueue(Address(DEFINITIONS, "", metadata["name"]), stored)


_STATUS_ONLY = {
    "manager": "kube-apiserver",
    "operation": "Update",
    "apiVersion": kinds.CRD.api_version,
    "subresource": "status",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:status": {}},
}
