"""metrics.k8s.io/v1beta1, which `kubectl top` and autoscalers read: the usage of nodes and pods, by the node agent.

Source: https://github.com/kubernetes/metrics/blob/master/pkg/apis/metrics/v1beta1/types.go
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from sealane.apiserver import errors
from sealane.apiserver.api import Api
from sealane.apiserver.node_agent import Amount, Usage
from sealane.apiserver.requests import Target
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import NODE, POD, Kind
from sealane.kube.kinds.registration.status import METRICS
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp

GROUP = METRICS
NODES = Kind(GROUP, "v1beta1", "NodeMetrics", "nodes", False, subresources=())
PODS = Kind(GROUP, "v1beta1", "PodMetrics", "pods", subresources=())


class _Moment(msgspec.Struct, frozen=True):
    at: float
    usage: Usage

    def document(self, kind: Kind, about: Object, more: Raw) -> Raw:
        metadata: Raw = {"name": about.name, "creationTimestamp": timestamp(self.at)}
        if about.namespace:
            metadata["namespace"] = about.namespace
        if about.labels:
            metadata["labels"] = dict(about.labels)
        when = {"timestamp": timestamp(self.at), "window": f"{self.usage.window:.3f}s"}
        return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata, **when, **more}


async def answer(api: Api, request: web.BaseRequest, target: Target) -> web.Response:
    """Raises ApiError 404, 405, 501 or 503."""
    kind = {"nodes": NODES, "pods": PODS}.get(target.plural)
    if kind is None or target.version != kind.version or target.subresource or request.query.get("watch") == "true":
        raise errors.no_path()
    if request.method != "GET":
        raise errors.method_not_allowed()
    if api.streams is None:
        raise ApiError(501, "NotImplemented", "this server has no node agent to ask")
    source = NODE if kind is NODES else POD
    if target.name:
        found = api.store.get(("", source.plural), target.namespace or "", target.name)
        about: Sequence[Object] = [found.object] if found is not None else []
    else:
        query = request.query
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        about = [stored.object for stored in api.list(source, target.namespace, labels=labels, fields=fields)[0]]
    moment = _Moment(time.time(), await api.streams.usage())
    items = [item for each in about if (item := _item(moment, kind, each)) is not None]
    if not target.name:
        body: Raw = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": {}, "items": items}
    elif items:
        body = items[0]
    else:
        raise errors.not_found(kind, target.name)
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _item(moment: _Moment, kind: Kind, about: Object) -> Raw | None:
    """None for what is not measured: a pod that does not run."""
    if kind is NODES:
        node = moment.usage.nodes.get(about.name)
        return None if node is None else moment.document(kind, about, {"usage": _amounts(node)})
    containers: Mapping[str, Amount] | None = moment.usage.pods.get(about.uid)
    if not containers:
        return None
    listed = [{"name": name, "usage": _amounts(amount)} for name, amount in containers.items()]
    return moment.document(kind, about, {"containers": listed})


def _amounts(amount: Amount) -> Raw:
    return {"cpu": f"{round(amount.cpu * 1e9)}n" if amount.cpu else "0", "memory": f"{int(amount.memory) // 1024}Ki"}
