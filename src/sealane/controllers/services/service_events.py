"""Events about what a Service asks for that it does not get, or not as it may be meant. Nothing is silently ignored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from sealane.kube.kinds.services.topology_keys import ANNOTATION as TOPOLOGY_KEYS
from sealane.kube.kinds.services.topology_keys import explained as explained_keys
from sealane.kube.objects import Key, Object, Raw
from sealane.network.addresses import canonical
from sealane.network.services.annotations import unhonoured
from sealane.network.services.derive_slices import EndpointModel
from sealane.network.services.listeners import listeners
from sealane.network.services.mirroring import is_mirrored, left_out
from sealane.network.services.slices import MAX_ADDRESSES, address_types, pod_selector
from sealane.reactive.collections import Change, Collection, Fetch, derive
from sealane.reactive.recorder import Recorder

PATIENCE = 5.0
"""Seconds for which a Service may select nothing before that is worth a word: pods come after their Service."""


class Remark(NamedTuple):
    reason: str
    message: str


class External(NamedTuple):
    """The addresses and ports that a Service claims as its externalIPs."""

    key: Key
    created: str
    claims: tuple[tuple[str, str, int], ...]


def remarks(service: Object) -> tuple[Remark, ...]:
    """Remarks on a Service's own fields that deserve an Event."""
    found = []
    if ignored := unhonoured(service):
        found.append(Remark("AnnotationIgnored", "; ".join(ignored)))
    if any(not each.node_port for each in listeners(service)):
        text = "the load balancer takes connections itself and needs node ports: allocateLoadBalancerNodePorts is false"
        found.append(Remark("NodePortsMissing", text))
    if keys := service.annotations.get(TOPOLOGY_KEYS):
        found.append(Remark("TopologyKeysTranslated", explained_keys(keys.split(","))))
    return tuple(found)


def external(service: Object) -> External | None:
    addresses = service.spec.get("externalIPs") or ()
    if not addresses:
        return None
    claims = tuple(
        (canonical(address), port.get("protocol") or "TCP", int(port["port"]))
        for address in addresses
        for port in service.spec.get("ports") or ()
    )
    return External(service.key, service.metadata.get("creationTimestamp") or "", claims)


def start(
    recorder: Recorder, services: Collection[Key, Object], model: EndpointModel, written: Collection[Key, Object]
) -> None:
    """written: the Endpoints that there are. Needs a running event loop."""
    claims = derive("external addresses", services, lambda _key, service, _fetch: external(service))

    def rivals(_key: Key, own: External, fetch: Fetch) -> tuple[Remark, ...] | None:
        found = []
        for claim in own.claims:
            holder = min(fetch(claims, index=_claims, value=claim), key=lambda each: (each.created, each.key))
            if holder.key != own.key:
                text = f"externalIP {claim[0]} port {claim[2]}/{claim[1]} belongs to the older Service "
                found.append(Remark("ExternalIPConflict", f"{text}{holder.key.namespace}/{holder.key.name}"))
        return tuple(found) or None

    def said(changes: Sequence[Change[Key, tuple[Remark, ...]]]) -> None:
        for change in changes:
            service = services.get(change.key)
            for remark in change.new or ():
                if service is not None and remark not in (change.old or ()):
                    recorder.record(service, "Warning", remark.reason, remark.message)

    def too_many(_key: Key, given: Object, fetch: Fetch) -> int | None:
        skipped = left_out(given)
        if not skipped:  # nearly always; what is fetched is remembered, and that costs
            return None
        service = fetch.get(services, Key("", "Service", given.namespace, given.name))
        return skipped if is_mirrored(given, service) else None

    def skipped(changes: Sequence[Change[Key, int]]) -> None:
        for change in changes:
            about = written.get(change.key)
            if about is not None and change.new:
                text = f"A max of {MAX_ADDRESSES} addresses can be mirrored to EndpointSlices per Endpoints subset. "
                text += f"{change.new} addresses were skipped"
                recorder.record(about, "Warning", "TooManyAddressesToMirror", text)

    def shared(changes: Sequence[Change[Key, tuple[str, ...]]]) -> None:
        for change in changes:
            service = services.get(change.key)
            if service is None or change.new is None or change.new == change.old:
                continue
            for problem in change.new:
                recorder.record(service, "Warning", "TopologyAwareHintsDisabled", problem)
            if not change.new:
                text = f"Topology Aware Hints has been enabled, addressType: {', '.join(address_types(service))}"
                recorder.record(service, "Normal", "TopologyAwareHintsEnabled", text)

    model.sharing.subscribe(shared)
    derive("addresses not mirrored", written, too_many).subscribe(skipped)
    derive("remarks on Services", services, lambda _key, service, _fetch: remarks(service) or None).subscribe(said)
    derive("rivals for addresses", claims, rivals).subscribe(said)
    _Unselected(recorder, services, model.endpoints)


def _claims(external: External) -> tuple[tuple[str, str, int], ...]:
    """Index of Services by what they claim."""
    return external.claims


class _Unselected:
    """Says of a Service that it selects nothing, when that has been so for a while."""

    def __init__(self, recorder: Recorder, services: Collection[Key, Object], endpoints: Collection[Key, Raw]) -> None:
        self._recorder = recorder
        self._services = services
        self._endpoints = endpoints
        self._waiting: dict[Key, asyncio.TimerHandle] = {}
        endpoints.subscribe(self._changed)

    def _changed(self, changes: Sequence[Change[Key, Raw]]) -> None:
        loop = asyncio.get_running_loop()
        for change in changes:
            waiting = self._waiting.pop(change.key, None)
            if waiting is not None:
                waiting.cancel()
            if change.new is not None and not change.new["subsets"]:
                self._waiting[change.key] = loop.call_later(PATIENCE, self._say, change.key)

    def _say(self, key: Key) -> None:
        del self._waiting[key]
        service = self._services.get(Key("", "Service", key.namespace, key.name))
        selector = pod_selector(service) if service is not None else None
        if service is not None and selector is not None:
            text = f"no pod is selected by {selector} and has the ports: nobody can answer for this Service"
            self._recorder.record(service, "Warning", "NoEndpoints", text)
