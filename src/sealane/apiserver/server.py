"""An API with all its followers at work: what a cluster runs, and what is killed and started again as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealane.apiserver.access.tokens import AccountTokens
from sealane.apiserver.api import Api
from sealane.apiserver.followers.addresses import Ranges
from sealane.apiserver.followers.certificates import Authority, Signing
from sealane.apiserver.followers.contents import Contents
from sealane.apiserver.followers.garbage import Collector
from sealane.apiserver.followers.quotas import Quotas
from sealane.apiserver.followers.roles import Aggregation
from sealane.apiserver.followers.token_secrets import TokenSecrets
from sealane.apiserver.node_agent import LogReader, Streams
from sealane.apiserver.storage.store import Store

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
