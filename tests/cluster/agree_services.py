"""Random clusters of Services, pods and zones: what the model says against what packets do.

    python tests/cluster/agree_services.py [EXAMPLES]

For every frontend, from pods, nodes and outside: who may answer, which source address it sees, refusal or silence.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nft_lab import PODS, Lab, play

from sealane.dataplane.linux import privileges
from sealane.kube.objects import Object
from sealane.network.addresses import API, OUTSIDE
from sealane.network.endpoints import endpoint_slices, pod_endpoint
from sealane.network.hints import NodeShare, zone_capacity
from sealane.network.services import (
    Frontend,
    Place,
    ServiceModel,
    ServicePort,
    select_backends,
    service_model,
    source_allowed,
)

STATES = ("none", "ready", "waiting", "draining", "gone")
"""Of a pod under a Service: not selected, ready, not ready, serving or not while it terminates."""


@dataclass(frozen=True)
class Drawn:
    """spec: as in the API. pods: the state of each pod under it. auto: annotated for topology-aware routing."""

    spec: dict[str, Any]
    pods: dict[str, str]
    auto: bool


services = st.builds(
    Drawn,
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
            "protocol": st.sampled_from(["TCP", "TCP", "UDP"]),
            "internalTrafficPolicy": st.sampled_from(["Cluster", "Cluster", "Local"]),
            "externalTrafficPolicy": st.sampled_from(["Cluster", "Local"]),
        },
        optional={
            "sessionAffinity": st.just("ClientIP"),
            "trafficDistribution": st.sampled_from(["PreferClose", "PreferSameZone", "PreferSameNode"]),
            "publishNotReadyAddresses": st.just(True),
            "loadBalancerSourceRanges": st.sampled_from(
                [["10.244.1.0/24"], ["172.18.0.0/16"], ["10.244.0.0/16", "fd00::/8"]]
            ),
        },
    ),
    st.fixed_dictionaries({pod: st.sampled_from(STATES) for pod in PODS}),
    st.booleans(),
)
clusters = st.tuples(
    st.lists(services, min_size=1, max_size=3), st.tuples(*[st.sampled_from(["", "east", "west"])] * 2)
)


@dataclass(frozen=True)
class Source:
    """where: as `Lab.ask` takes it. place: whose rules see the packet first."""

    where: str
    node: str
    traffic: str
    addresses: tuple[str, str]


@dataclass(frozen=True)
class Probe:
    source: Source
    address: str
    port: int
    protocol: str
    expected: frozenset[tuple[str, str]]


class Agreement:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.probes = 0
        self.examples = 0
        self.pods = {lab.address(name, family): name for name in PODS for family in (4, 6)}

    async def check(self, drawn: list[Drawn], zones: tuple[str, ...]) -> None:
        lab = self.lab
        shares = {node.name: NodeShare(zone, 2.0) for node, zone in zip(lab.nodes, zones, strict=True)}
        models: list[ServiceModel] = []
        with lab.graph.batch():
            for kind in ("Service", "EndpointSlice"):
                lab.sources[kind].replace({})
            lab.put(*(lab.node(index, zone) for index, zone in enumerate(zones)))
            for number, each in enumerate(drawn, 1):
                service = self._service(number, each)
                slices = self._slices(service, each, shares)
                lab.put(service, *slices)
                models.append(service_model(service, slices))
        await lab.programmer.synced()
        places = {name: Place(name, share.zone) for name, share in shares.items()}
        wanted = [
            probe
            for model in models
            for port in model.ports
            for frontend in port.frontends
            for probe in self._probes(model, port, frontend, places)
        ]
        found = await asyncio.gather(
            *(lab.ask(probe.source.where, probe.address, probe.port, probe.protocol) for probe in wanted)
        )
        self.examples += 1
        self.probes += len(wanted)
        for probe, answer in zip(wanted, found, strict=True):
            if answer == ("unreachable 1", ""):
                answer = ("silent", "")  # a node's own datagrams are dropped under its eyes (EPERM)
            assert answer in probe.expected, f"{probe}: {answer}"

    def _service(self, number: int, drawn: Drawn) -> Object:
        spec = dict(drawn.spec)
        protocol = spec.pop("protocol")
        if spec["type"] == "ClusterIP":
            del spec["externalTrafficPolicy"]
        ingress = f"172.18.255.{number}" if spec["type"] == "LoadBalancer" else ""
        port = {"name": "web", "port": 80, "targetPort": 8080, "protocol": protocol, "nodePort": 30080 + number}
        ips = [f"10.96.0.{number}", f"fd00:10:96::{number}"]
        made = self.lab.service(
            f"svc-{number}", ingress, clusterIP=ips[0], clusterIPs=ips, ports=[port], selector={"x": "y"}, **spec
        )
        annotations = {"service.kubernetes.io/topology-mode": "Auto"} if drawn.auto else {}
        return Object({**made.raw, "metadata": {**made.metadata, "annotations": annotations}})

    def _slices(self, service: Object, drawn: Drawn, shares: dict[str, NodeShare]) -> list[Object]:
        selected = []
        for name, state in drawn.pods.items():
            found = pod_endpoint(self.lab.pod(name))
            assert found is not None
            if state != "none":
                selected.append(
                    replace(found, ready=state in ("ready", "draining"), terminating=state in ("draining", "gone"))
                )
        made = endpoint_slices(
            service, selected, (), lambda node: shares[node].zone, lambda: zone_capacity(shares.values())
        )
        return [Object(raw) for raw in made.values()]

    def _probes(
        self, model: ServiceModel, port: ServicePort, frontend: Frontend, places: dict[str, Place]
    ) -> list[Probe]:
        index = 0 if frontend.family == 4 else 1
        nodes = {node.name: node for node in self.lab.nodes}
        inside = [
            *(Source(pod, f"node-{PODS[pod][0] + 1}", "pod", self._both(pod)) for pod in "ac"),
            *(Source(name, name, "node", tuple(map(str, node.addresses))) for name, node in nodes.items()),  # type: ignore[arg-type]
        ]
        outside = Source("outside", "", "outside", (str(OUTSIDE[0]), str(OUTSIDE[1])))
        made = []
        if frontend.kind == "NodePort":
            for name, node in nodes.items():
                here = [source for source in inside if source.node == name]
                for source in (*here, outside):
                    expected = self._expected(model, port, frontend, source, [places[name]])
                    made.append(Probe(source, str(node.addresses[index]), frontend.port, frontend.protocol, expected))
            return made
        for source in inside:
            expected = self._expected(model, port, frontend, source, [places[source.node]])
            made.append(Probe(source, frontend.address, frontend.port, frontend.protocol, expected))
        if frontend.kind == "LoadBalancer":  # any node may be the first
            expected = self._expected(model, port, frontend, outside, list(places.values()))
            made.append(Probe(outside, frontend.address, frontend.port, frontend.protocol, expected))
        return made

    def _both(self, pod: str) -> tuple[str, str]:
        return self.lab.address(pod, 4), self.lab.address(pod, 6)

    def _expected(
        self, model: ServiceModel, port: ServicePort, frontend: Frontend, source: Source, entries: list[Place]
    ) -> frozenset[tuple[str, str]]:
        """(who, source address seen) of every possible answer."""
        index = 0 if frontend.family == 4 else 1
        if not source_allowed(model, frontend, source.addresses[index]):
            return frozenset({("silent", "")})
        nodes = {node.name: node for node in self.lab.nodes}
        # Outside holds the API's address as well.
        plain = {str(OUTSIDE[index]), str(API[index])} if source.traffic == "outside" else {source.addresses[index]}
        found: set[tuple[str, str]] = set()
        for place in entries:
            selection = select_backends(model, port, frontend, place, source.traffic)  # type: ignore[arg-type]
            if selection.verdict == "drop" or (selection.verdict == "reject" and frontend.protocol == "UDP"):
                found.add(("silent", ""))
            if selection.verdict == "reject":
                # What refuses UDP is an ICMP error, of which kernels send only so many a second.
                found.add(("refused", ""))
            node = nodes[place.node]
            own = {str(node.addresses[index]), str(node.pod_side[index])}
            for backend in selection.backends:
                who = self.pods[backend.address]
                masked = selection.masquerade or backend.address == source.addresses[index]
                found |= {(who, seen) for seen in (own if masked else plain)}
        return frozenset(found)


def agree(examples: int) -> Any:
    async def scenario(lab: Lab) -> None:
        agreement = Agreement(lab)
        loop = asyncio.get_running_loop()

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(clusters)
        def every_packet(cluster: tuple[list[Drawn], tuple[str, ...]]) -> None:
            asyncio.run_coroutine_threadsafe(agreement.check(*cluster), loop).result()

        start = time.monotonic()
        await asyncio.to_thread(every_packet)
        seconds = time.monotonic() - start
        print(f"{agreement.examples} clusters, {agreement.probes} connections, 0 disagreements, {seconds:.0f} s")

    return scenario


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="sealane-agree-") as folder:
        run = Path(folder) / "run"
        pid = os.fork()  # the folder is removed by one who is not in the private namespaces
        if pid == 0:
            code = 1
            try:
                privileges.become_private(run)
                asyncio.run(play(agree(int(sys.argv[1]) if len(sys.argv) > 1 else 200), run))
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
