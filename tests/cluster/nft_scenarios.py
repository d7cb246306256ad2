"""What packets do under Services and policies: one function for each story, played by `nft_lab`."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from nft_lab import SLOW, Lab

from sealane.dataplane.linux import namespaces
from sealane.dataplane.nft.libnftables import Nftables
from sealane.kube.objects import Object

CLUSTER_IP, CLUSTER_IP6 = "10.96.0.7", "fd00:10:96::7"
LB, LB6 = "172.18.255.1", "fd00:172:18:ff::1"
NODE_1, NODE_2 = "172.18.1.1", "172.18.1.2"

SCENARIOS: dict[str, Callable[[Lab], Awaitable[None]]] = {}


def scenario(function: Callable[[Lab], Awaitable[None]]) -> Callable[[Lab], Awaitable[None]]:
    SCENARIOS[function.__name__] = function
    return function


def only(*pods: str) -> dict[str, Any]:
    return {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": list(pods)}]}}


@scenario
async def spread_over_all_ready_endpoints_and_none_other(lab: Lab) -> None:
    lab.put(lab.service(), *lab.slices("b", "c", "d"))
    await lab.programmer.synced()
    for where in ("a", "node-1", "node-2", "outside"):
        if where == "outside":
            continue  # ClusterIPs are not routed to the outside
        for address in (CLUSTER_IP, CLUSTER_IP6):
            found = await lab.spread(where, address)
            assert set(found) == {"b", "c", "d"}, (where, found)
            assert min(found.values()) >= 5, (where, found)
    assert await lab.ask("a", CLUSTER_IP) in {(pod, "10.244.1.2") for pod in "bcd"}  # no masquerading between pods
    lab.put(*lab.slices("c"))
    await lab.programmer.synced()
    assert set(await lab.spread("a", CLUSTER_IP, count=20)) == {"c"}
    assert (await lab.ask("a", CLUSTER_IP))[1] == "10.244.1.2"
    assert (await lab.ask("node-1", CLUSTER_IP))[1] == NODE_1


@scenario
async def udp_and_hairpin(lab: Lab) -> None:
    lab.put(lab.service(protocol="UDP"), *lab.slices("a", protocol="UDP"))
    lab.put(lab.service("tcp", clusterIPs=["10.96.0.8"], clusterIP="10.96.0.8", ports=[{"name": "web", "port": 81}]))
    lab.put(*lab.slices("a", service="tcp"))
    await lab.programmer.synced()
    assert await lab.ask("b", CLUSTER_IP, 80, "UDP") == ("a", "10.244.1.3")
    assert await lab.ask("b", CLUSTER_IP6, 80, "UDP") == ("a", "fd00:10:244:1::3")
    assert (await lab.ask("b", CLUSTER_IP, 80, "TCP"))[0] == "refused"
    who, seen = await lab.ask("a", "10.96.0.8", 81)
    assert who == "a"
    assert seen != "10.244.1.2"  # the pod sees its node, not itself


@scenario
async def udp_flows_leave_an_endpoint_that_is_gone(lab: Lab) -> None:
    service = lab.service(protocol="UDP", type="LoadBalancer", ingress=LB, externalIPs=["172.18.0.9"])
    port = [{"name": "web", "port": 80, "protocol": "UDP"}]
    other = lab.service("other", clusterIP="10.96.0.8", clusterIPs=["10.96.0.8"], ports=port)
    lab.put(service, *lab.slices("b", protocol="UDP"), other, *lab.slices("b", service="other", protocol="UDP"))
    await lab.programmer.synced()
    clients = [lab.udp_client("a", address) for address in (CLUSTER_IP, CLUSTER_IP6, LB)]
    clients += [lab.udp_client("outside", NODE_1, 30080), lab.udp_client("node-1", NODE_2, 30080)]
    bystander = lab.udp_client("a", "10.96.0.8")
    assert [client() for client in (*clients, bystander)] == ["b"] * 6
    lab.put(*lab.slices("b", "c", protocol="UDP"))  # one more endpoint moves nobody
    await lab.programmer.synced()
    assert [client() for client in (*clients, bystander)] == ["b"] * 6
    lab.put(*lab.slices("c", protocol="UDP"))  # the pod b still answers whoever reaches it
    await lab.programmer.synced()
    found = [client() for client in (*clients, bystander)]
    assert found == ["c"] * 5 + ["b"], found
    lab.remove(service)  # the Service loses its addresses
    await lab.programmer.synced()
    found = [client() for client in (*clients, bystander)]
    assert set(found[:5]) <= {"silent", "refused"}, found
    assert found[5] == "b"
    lab.put(service)  # the first endpoint of a NodePort that was asked before there was one
    await lab.programmer.synced()
    assert [client() for client in clients[3:]] == ["c"] * 2
    lab.put(*lab.slices("c", protocol="UDP", ready=False, serving=True, terminating=True))  # who serves keeps them
    await lab.programmer.synced()
    assert {client() for client in clients[3:]} == {"c"}
    lab.programmer.resync("node-1")  # written anew: what serves keeps its flows, the rest goes
    await lab.programmer.synced()
    assert [client() for client in (clients[3], bystander)] == ["c", "b"]


@scenario
async def udp_flows_leave_an_endpoint_that_serves_no_more(lab: Lab) -> None:
    """Once it terminates no rule names it, so that no rule changes when it serves no more."""
    lab.put(lab.service(protocol="UDP"), *lab.slices("b", protocol="UDP"))
    await lab.programmer.synced()
    client = lab.udp_client("a", CLUSTER_IP)
    assert client() == "b"
    going = lab.slices("b", protocol="UDP", ready=False, serving=True, terminating=True)
    lab.put(*going, *lab.slices("c", protocol="UDP", name="others"))
    await lab.programmer.synced()
    assert client() == "b"
    addresses = (lab.address("b", 4), lab.address("b", 6))
    assert lab.programmer.flows_to(addresses)
    lab.put(*lab.slices("b", protocol="UDP", ready=False, serving=False, terminating=True))
    await asyncio.wait_for(lab.programmer.left(addresses), 20)
    assert client() == "c"


@scenario
async def flows_of_the_pod_before_end_when_another_gets_its_address(lab: Lab) -> None:
    b, addresses = lab.pod("b").key, (lab.address("b", 4), lab.address("b", 6))
    await lab.programmer.admit(b, "first", addresses)
    coming = [lab.udp_client("c", address, 8080) for address in addresses]
    going, bystander = lab.udp_client("b", lab.address("c"), 8080), lab.udp_client("a", lab.address("c"), 8080)
    assert [client() for client in (*coming, going, bystander)] == ["b", "b", "c", "c"]
    isolated = {"podSelector": {"matchLabels": {"app": "b"}}, "policyTypes": ["Ingress", "Egress"]}
    lab.put(lab.policy(**isolated))
    await lab.programmer.synced()
    assert [client() for client in (*coming, going, bystander)] == ["b", "b", "c", "c"]  # established
    await lab.programmer.admit(b, "second", addresses)
    assert [client() for client in (*coming, going, bystander)] == ["silent"] * 3 + ["c"]


@scenario
async def an_answer_on_its_way_arrives_although_its_flow_has_moved(lab: Lab) -> None:
    lab.put(lab.service(protocol="UDP"), *lab.slices("b", protocol="UDP"))
    lab.put(lab.policy(podSelector={"matchLabels": {"app": "a"}}, policyTypes=["Ingress"]))  # answers pass all the same
    await lab.programmer.synced()
    clients = [lab.udp_socket(where, address) for where in ("a", "d") for address in (CLUSTER_IP, CLUSTER_IP6)]
    for client in clients:
        client.send(SLOW)
    lab.put(*lab.slices("c", protocol="UDP"))
    await lab.programmer.synced()
    for client in clients:
        client.settimeout(20)
        assert client.recv(100).startswith(b"b "), client
        client.send(b"?")
        assert client.recv(100).startswith(b"c "), client


@scenario
async def nobody_there_is_refused_at_once(lab: Lab) -> None:
    lab.put(lab.service(type="LoadBalancer", ingress=LB), *lab.slices("b", ready=False, serving=False))
    await lab.programmer.synced()
    for where in ("a", "node-1"):
        assert (await lab.ask(where, CLUSTER_IP))[0] == "refused", where
        assert (await lab.ask(where, CLUSTER_IP6))[0] == "refused", where
    assert (await lab.ask("a", CLUSTER_IP, 80, "UDP"))[0] == "refused"
    for where in ("a", "node-1", "outside"):
        assert (await lab.ask(where, LB))[0] == "refused", where
        assert (await lab.ask(where, NODE_1, 30080))[0] == "refused", where
    assert (await lab.ask("a", CLUSTER_IP, 81))[0] == "refused"  # no such port
    assert (await lab.ask("a", "10.96.9.9"))[0] == "silent"  # no such Service
    assert (await lab.ask("outside", "172.18.255.9"))[0] == "refused"  # no such load balancer
    lab.put(*lab.slices("b", ready=False, serving=True, terminating=True))
    await lab.programmer.synced()
    assert (await lab.ask("a", CLUSTER_IP))[0] == "b"
    lab.remove(lab.service())
    await lab.programmer.synced()
    assert (await lab.ask("a", CLUSTER_IP))[0] == "silent"


@scenario
async def node_ports_and_load_balancers_from_outside(lab: Lab) -> None:
    lab.put(lab.service(type="LoadBalancer", ingress=LB, externalIPs=["172.18.200.1"]), *lab.slices("a", "c"))
    await lab.programmer.synced()
    for address, port in ((LB, 80), (NODE_1, 30080), (NODE_2, 30080), ("fd00:172:18::1:1", 30080)):
        found = await lab.spread("outside", address, port, 40)
        assert set(found) == {"a", "c"}, (address, found)
    who, seen = await lab.ask("outside", NODE_1, 30080)
    assert seen in ("10.244.1.1", NODE_1), (who, seen)  # masqueraded: the answer comes back this way
    assert set(await lab.spread("b", NODE_2, 30080, 40)) == {"a", "c"}
    assert set(await lab.spread("b", LB, 80, 40)) == {"a", "c"}
    assert set(await lab.spread("node-1", LB, 80, 40)) == {"a", "c"}
    assert set(await lab.spread("b", "172.18.200.1", 80, 40)) == {"a", "c"}


@scenario
async def internal_load_balancers_and_annotated_ranges(lab: Lab) -> None:
    lab.put(lab.service(type="LoadBalancer", ingress="172.18.254.1"), *lab.slices("c"))
    await lab.programmer.synced()
    for where in ("a", "c", "node-1", "node-2"):
        assert (await lab.ask(where, "172.18.254.1"))[0] == "c", where
    assert (await lab.ask("outside", "172.18.254.1"))[0] == "silent"
    open_ = lab.service(type="LoadBalancer", ingress=LB)
    name = "service.beta.kubernetes.io/load-balancer-source-ranges"
    bound = Object({**open_.raw, "metadata": {**open_.metadata, "annotations": {name: "10.244.1.2/32, what?"}}})
    lab.put(bound)
    await lab.programmer.synced()
    assert (await lab.ask("a", LB))[0] == "c"
    assert (await lab.ask("b", LB))[0] == "silent"


@scenario
async def external_traffic_policy_local(lab: Lab) -> None:
    lab.put(lab.service(type="LoadBalancer", ingress=LB, externalTrafficPolicy="Local"), *lab.slices("c"))
    await lab.programmer.synced()
    assert await lab.ask("outside", NODE_2, 30080) == ("c", "172.18.0.1")  # the client's own address
    assert (await lab.ask("outside", NODE_1, 30080))[0] == "silent"
    assert await lab.ask("a", LB) == ("c", "10.244.1.2")  # pods take the shortcut
    assert (await lab.ask("node-1", NODE_1, 30080))[0] == "c"
    assert (await lab.ask("a", CLUSTER_IP))[0] == "c"
    lab.put(*lab.slices("b", "c", "d"))
    await lab.programmer.synced()
    assert set(await lab.spread("outside", NODE_1, 30080, 20)) == {"b"}
    assert set(await lab.spread("outside", NODE_2, 30080, 40)) == {"c", "d"}
    lab.put(lab.service(type="LoadBalancer", ingress=LB))  # and back: from each node's own facts to the shared ones
    await lab.programmer.synced()
    assert set(await lab.spread("outside", NODE_1, 30080, 60)) == {"b", "c", "d"}


@scenario
async def internal_traffic_policy_local(lab: Lab) -> None:
    lab.put(lab.service(internalTrafficPolicy="Local"), *lab.slices("b"))
    await lab.programmer.synced()
    assert await lab.ask("a", CLUSTER_IP) == ("b", "10.244.1.2")
    assert (await lab.ask("c", CLUSTER_IP))[0] == "silent"


@scenario
async def source_ranges(lab: Lab) -> None:
    lab.put(lab.service(type="LoadBalancer", ingress=LB, loadBalancerSourceRanges=["10.244.1.0/24"]), *lab.slices("c"))
    await lab.programmer.synced()
    assert (await lab.ask("a", LB))[0] == "c"
    assert (await lab.ask("d", LB))[0] == "silent"
    assert (await lab.ask("outside", LB))[0] == "silent"
    assert (await lab.ask("outside", NODE_1, 30080))[0] == "c"
    overlapping = ["172.18.0.1/32", "172.18.0.0/30", "172.18.0.0/24", "fd00::/8"]
    lab.put(lab.service(type="LoadBalancer", ingress=LB, loadBalancerSourceRanges=overlapping))
    await lab.programmer.synced()
    assert (await lab.ask("outside", LB))[0] == "c"
    assert (await lab.ask("a", LB))[0] == "silent"
    lab.put(lab.service(type="LoadBalancer", ingress=LB, loadBalancerSourceRanges=["172.18.0.1/32"]))
    await lab.programmer.synced()
    assert (await lab.ask("outside", LB))[0] == "c"
    lab.put(lab.service(type="LoadBalancer", ingress=LB, loadBalancerSourceRanges=["0.0.0.0/0"]))
    await lab.programmer.synced()
    assert (await lab.ask("a", LB))[0] == "c"


@scenario
async def session_affinity(lab: Lab) -> None:
    lab.put(lab.service(sessionAffinity="ClientIP"), *lab.slices("b", "c", "d"))
    await lab.programmer.synced()
    for where in ("a", "c"):
        first = await lab.spread(where, CLUSTER_IP, count=20)
        assert len(first) == 1, first
    (stays,) = await lab.spread("a", CLUSTER_IP, count=1)
    others = [pod for pod in "bcd" if pod != stays]
    lab.put(*lab.slices(*others[:1], stays))
    await lab.programmer.synced()
    assert set(await lab.spread("a", CLUSTER_IP, count=20)) == {stays}  # others may go, it stays
    lab.put(*lab.slices(*others))
    await lab.programmer.synced()
    moved = set(await lab.spread("a", CLUSTER_IP, count=20))
    assert len(moved) == 1, moved
    assert moved <= set(others), moved


@scenario
async def traffic_stays_in_its_zone_or_on_its_node(lab: Lab) -> None:
    async def seen(service: Object, *pods: str) -> list[set[str]]:
        """Who answers pod a (on node-1) and pod c (on node-2)."""
        lab.remove(*lab.sources["EndpointSlice"].values())
        lab.put(service, *lab.made_slices(service, *pods))
        await lab.programmer.synced()
        return [set(await lab.spread(where, CLUSTER_IP, count=24)) for where in "ac"]

    port = {"name": "web", "port": 80, "targetPort": 8080}
    plain, close, near = (
        lab.service(selector={"x": "y"}, ports=[port], **more)
        for more in ({}, {"trafficDistribution": "PreferClose"}, {"trafficDistribution": "PreferSameNode"})
    )
    meta = {**plain.metadata, "annotations": {"service.kubernetes.io/topology-mode": "Auto"}}
    auto = Object({**plain.raw, "metadata": meta})
    everybody = [set("abcd")] * 2
    assert await seen(close, *"abcd") == everybody  # no node has a zone
    lab.put(lab.node(0, "east"), lab.node(1, "west"))
    assert await seen(plain, *"abcd") == everybody
    assert await seen(close, *"abcd") == [set("ab"), set("cd")]
    assert await seen(close, *"cd") == [set("cd")] * 2  # nobody in the east: better far than nowhere
    assert await seen(near, *"abcd") == [set("ab"), set("cd")]
    assert await seen(auto, *"abcd") == [set("ab"), set("cd")]
    assert await seen(auto, *"acd") == [set("acd")] * 2  # one of three for half of the CPUs would bear too much
    assert await seen(close, *"abcd") == [set("ab"), set("cd")]
    lab.put(lab.node(1, "east"))  # kubectl label node node-2 topology.kubernetes.io/zone=east
    assert await seen(close, *"abcd") == everybody
    assert await seen(near, *"abcd") == [set("ab"), set("cd")]
    assert await seen(near, *"cd") == [set("cd")] * 2
    lab.put(lab.node(1, "west"))
    assert await seen(close, *"abcd") == [set("ab"), set("cd")]
    lab.put(lab.node(1, "east"))  # a label alone, before any slice follows it
    await lab.programmer.synced()
    assert set(await lab.spread("c", CLUSTER_IP, count=24)) == set("ab")


@scenario
async def session_affinity_on_local_endpoints(lab: Lab) -> None:
    lab.put(
        lab.service(type="NodePort", sessionAffinity="ClientIP", externalTrafficPolicy="Local"),
        *lab.slices("a", "b", "c", "d"),
    )
    await lab.programmer.synced()
    first = await lab.spread("outside", NODE_2, 30080, count=20)
    assert len(first) == 1, first
    (chosen,) = first
    assert chosen in "cd"
    rest = [pod for pod in "abcd" if pod != chosen]
    lab.put(*lab.slices(*rest))
    await lab.programmer.synced()
    assert set(await lab.spread("outside", NODE_2, 30080, count=20)) == set(rest) & {"c", "d"}
    assert (await lab.ask("outside", NODE_2, 30080))[1] == "172.18.0.1"
    assert len(await lab.spread("a", NODE_1, 30080, count=20)) == 1


@scenario
async def clients_of_the_policy_cluster_find_a_local_endpoint(lab: Lab) -> None:
    """Whom they were given before is far away; there, packets with the client's own address would have no way back."""
    lab.put(lab.service(type="NodePort", sessionAffinity="ClientIP"), *lab.slices("a"))
    await lab.programmer.synced()
    assert (await lab.ask("outside", NODE_2, 30080))[0] == "a"
    lab.put(
        lab.service(type="NodePort", sessionAffinity="ClientIP", externalTrafficPolicy="Local"), *lab.slices("a", "c")
    )
    await lab.programmer.synced()
    assert await lab.ask("outside", NODE_2, 30080) == ("c", "172.18.0.1")
    assert await lab.ask("outside", NODE_1, 30080) == ("a", "172.18.0.1")


@scenario
async def leaving_the_cluster_wears_the_nodes_address(lab: Lab) -> None:
    path = namespaces.path_of(lab.run_dir, "outside")
    listening = namespaces.inside(path, lambda: socket.create_server(("172.18.0.1", 9000)))
    seen: list[str] = []

    def accept() -> None:
        peer, address = listening.accept()
        seen.append(address[0])
        peer.sendall(b"outside x")
        peer.close()

    waiting = threading.Thread(target=accept, daemon=True)
    waiting.start()
    assert (await lab.ask("a", "172.18.0.1", 9000))[0] == "outside"
    waiting.join(2)
    assert seen == [NODE_1]


@scenario
async def policies_ingress(lab: Lab) -> None:
    lab.put(lab.service(), *lab.slices("c"))
    lab.put(
        lab.policy(
            podSelector={"matchLabels": {"app": "c"}}, ingress=[{"from": [only("a")], "ports": [{"port": 8080}]}]
        )
    )
    await lab.programmer.synced()
    for address in (CLUSTER_IP, CLUSTER_IP6):
        assert (await lab.ask("a", address))[0] == "c"
        assert (await lab.ask("b", address))[0] == "silent"
        assert (await lab.ask("d", address))[0] == "silent"  # also from the same node
    assert (await lab.ask("a", lab.address("c"), 8080))[0] == "c"
    assert (await lab.ask("a", lab.address("c"), 8080, "UDP"))[0] == "silent"
    assert (await lab.ask("c", lab.address("c"), 8080))[0] == "c"  # itself
    assert (await lab.ask("c", CLUSTER_IP))[0] == "c"  # itself through a Service
    assert (await lab.ask("node-2", lab.address("c"), 8080))[0] == "c"  # its node
    assert (await lab.ask("node-1", lab.address("c"), 8080))[0] == "silent"
    assert (await lab.ask("c", lab.address("b"), 8080))[0] == "b"  # egress is free
    lab.put(lab.pod("b", app="a"))  # a label makes it one of those allowed
    await lab.programmer.synced()
    assert (await lab.ask("b", CLUSTER_IP))[0] == "c"
    lab.remove(lab.policy())
    await lab.programmer.synced()
    assert (await lab.ask("d", CLUSTER_IP))[0] == "c"
    assert (await lab.ask("a", lab.address("c"), 8080, "UDP"))[0] == "c"


@scenario
async def policies_egress(lab: Lab) -> None:
    lab.put(lab.service(), *lab.slices("c", "d"))
    rules = [{"to": [only("c")], "ports": [{"port": "web"}]}, {"to": [{"ipBlock": {"cidr": "10.244.1.0/24"}}]}]
    lab.put(lab.policy(podSelector={"matchLabels": {"app": "a"}}, policyTypes=["Egress"], egress=rules))
    await lab.programmer.synced()
    assert (await lab.ask("a", lab.address("c"), 8080))[0] == "c"
    assert (await lab.ask("a", lab.address("c", 6), 8080))[0] == "c"
    assert (await lab.ask("a", lab.address("d"), 8080))[0] == "silent"
    assert (await lab.ask("a", lab.address("b"), 8080, "UDP"))[0] == "b"  # the block, any port
    assert (await lab.ask("a", lab.address("b", 6), 8080))[0] == "silent"
    assert set(await lab.spread("a", CLUSTER_IP, count=12)) == {"c", "silent"}
    assert (await lab.ask("c", lab.address("a"), 8080))[0] == "a"  # answers pass
    assert (await lab.ask("a", NODE_1, 1))[0] == "refused"  # its own node is always reachable
    assert (await lab.ask("a", NODE_2, 1))[0] == "silent"


@scenario
async def both_directions_must_agree(lab: Lab) -> None:
    everything = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    lab.put(lab.policy("deny", **everything))
    await lab.programmer.synced()
    assert (await lab.ask("a", lab.address("b"), 8080))[0] == "silent"
    egress = lab.policy("out", podSelector={"matchLabels": {"app": "a"}}, policyTypes=["Egress"], egress=[{}])
    ingress = lab.policy(
        "in", podSelector={"matchLabels": {"app": "b"}}, ingress=[{"from": [{"namespaceSelector": {}}]}]
    )
    lab.put(egress)
    await lab.programmer.synced()
    assert (await lab.ask("a", lab.address("b"), 8080))[0] == "silent"
    lab.put(ingress)
    await lab.programmer.synced()
    assert (await lab.ask("a", lab.address("b"), 8080))[0] == "b"
    assert (await lab.ask("c", lab.address("b"), 8080))[0] == "silent"
    lab.remove(egress)
    await lab.programmer.synced()
    assert (await lab.ask("a", lab.address("b"), 8080))[0] == "silent"


@scenario
async def rules_broken_by_hand_are_seen_and_repaired(lab: Lab) -> None:
    lab.put(lab.service(), *lab.slices("c"))
    await lab.programmer.synced()
    lab.threads["node-1"].call(
        lambda: Nftables().run("delete element inet sealane-services vips4 { 10.96.0.7 . tcp . 80 }")
    )
    assert (await lab.ask("a", CLUSTER_IP))[0] == "refused"
    found = await lab.programmer.differences("node-1")
    assert len(found) == 1
    assert "10.96.0.7 . tcp . 80" in found[0]
    assert "missing" in found[0]
    lab.programmer.resync("node-1")
    await lab.programmer.synced()
    assert (await lab.ask("a", CLUSTER_IP))[0] == "c"
    # A change that no longer fits what is there fails as a whole, and the node is written anew.
    await lab.run("node-1", "nft", "delete", "table", "inet", "sealane-services-2")
    lab.put(*lab.slices("d"))
    await lab.programmer.synced()
    assert (await lab.ask("a", CLUSTER_IP))[0] == "d"
    assert [node for node, _ in lab.errors] == ["node-1"]
    lab.errors.clear()


@scenario
async def rewriting_interrupts_nothing(lab: Lab) -> None:
    """The old rules stand until the new ones do: who is allowed is answered, who is not is not, all the time."""
    lab.put(lab.service(), *lab.slices("c"))
    lab.put(lab.policy(podSelector={"matchLabels": {"app": "c"}}, ingress=[{"from": [only("a")]}]))
    await lab.programmer.synced()
    rewriting = True

    async def rewrite() -> None:
        nonlocal rewriting
        for _ in range(20):
            for node in lab.threads:
                lab.programmer.resync(node)
            await lab.programmer.synced()
        rewriting = False

    async def asking(where: str) -> set[str]:
        found = set()
        while rewriting:
            found.add((await lab.ask(where, CLUSTER_IP))[0])
        return found

    _, allowed, denied = await asyncio.gather(rewrite(), asking("a"), asking("b"))
    assert allowed == {"c"}
    assert denied == {"silent"}
    for node in lab.threads:
        names = await lab.run(node, "nft", "list", "tables")
        assert sorted(names.split()[2::3]) == ["sealane-policies", "sealane-services"]  # no other generation is left


@scenario
async def many_services(lab: Lab) -> None:
    """More than fits into one transaction without root; then all of it gone again."""

    def numbered(index: int) -> Object:
        address = f"10.96.{1 + index // 250}.{index % 250 + 1}"
        return lab.service(f"svc-{index}", clusterIP=address, clusterIPs=[address], ports=[{"name": "web", "port": 80}])

    many = [numbered(index) for index in range(3000)]
    lab.put(*many, *(one for index in range(3000) for one in lab.slices("b", "c", service=f"svc-{index}")))
    await lab.programmer.synced()
    await lab.consistent()
    assert set(await lab.spread("a", "10.96.12.250", count=20)) == {"b", "c"}
    lab.remove(*many)
    await lab.programmer.synced()
    assert (await lab.ask("a", "10.96.12.250"))[0] == "silent"


@scenario
async def tiers_are_asked_in_turn(lab: Lab) -> None:
    """The admin tier beats NetworkPolicies; Pass, or no word of it, leads on; the baseline is for who has none."""

    def by(app: str, action: str, port: int | None = None) -> dict[str, Any]:
        peer = {"pods": {"podSelector": {"matchLabels": {"app": app}}}}
        ports = {"protocols": [{"tcp": {"destinationPort": {"number": port}}}]} if port else {}
        return {"action": action, "from": [peer], **ports}

    async def answers(**expected: str) -> None:
        await lab.programmer.synced()
        for family in (4, 6):
            for source, outcome in expected.items():
                found = await lab.ask(source, lab.address("a", family), 8080)
                assert found[0] == outcome, (source, family, found)
        await lab.consistent()

    await answers(b="a", c="a", d="a")
    # Admin Deny beats a NetworkPolicy that allows; Accept beats one that does not; the rest falls through.
    lab.put(lab.policy(podSelector={"matchLabels": {"app": "a"}}, ingress=[{"from": [only("b")]}]))
    lab.put(lab.cluster_policy("first", "Admin", 1, ingress=[by("b", "Deny"), by("c", "Accept")]))
    await answers(b="silent", c="a", d="silent")
    # Of two in a tier the least priority counts, and Pass skips the rest of the tier.
    lab.put(lab.cluster_policy("before", "Admin", 0, ingress=[by("b", "Pass"), by("c", "Pass"), by("d", "Accept")]))
    await answers(b="a", c="silent", d="a")
    # Rules count for their ports.
    lab.put(lab.cluster_policy("before", "Admin", 0, ingress=[by("b", "Deny", 8081), by("d", "Accept", 8080)]))
    await answers(b="silent", c="a", d="a")
    lab.remove(lab.cluster_policy("before", "Admin"), lab.cluster_policy("first", "Admin"))
    await answers(b="a", c="silent", d="silent")
    # Where a NetworkPolicy isolates, the baseline is not asked; where none does, it is.
    everyone = [{"action": "Deny", "from": [{"namespaces": {}}]}]
    lab.put(lab.cluster_policy("base", "Baseline", ingress=[by("d", "Pass"), by("c", "Accept"), *everyone]))
    await answers(b="a", c="silent", d="silent")
    lab.remove(lab.policy())
    await answers(b="silent", c="a", d="a")
    lab.put(lab.cluster_policy("on", "Admin", ingress=[by("b", "Pass"), by("c", "Deny")]))
    await answers(b="silent", c="silent", d="a")
    # Nodes and networks, as egress peers; of a domain name nothing is known.
    lab.remove(lab.cluster_policy("on", "Admin"), lab.cluster_policy("base", "Baseline"))
    to = [
        {"action": "Accept", "to": [{"networks": [f"{lab.address('b')}/32", f"{lab.address('b', 6)}/128"]}]},
        {"action": "Accept", "to": [{"domainNames": ["example.com"]}]},
        {"action": "Deny", "to": [{"networks": ["0.0.0.0/0", "::/0"]}]},
    ]
    lab.put(lab.cluster_policy("out", "Admin", egress=to))
    await lab.programmer.synced()
    for family in (4, 6):
        assert (await lab.ask("a", lab.address("b", family), 8080))[0] == "b"
        assert (await lab.ask("a", lab.address("c", family), 8080))[0] == "silent"
        assert (await lab.ask("c", lab.address("a", family), 8080))[0] == "a"  # answers pass all the same
    lab.remove(lab.cluster_policy("out", "Admin"))
    await answers(b="a", c="a", d="a")


@scenario
async def increments_lead_where_starting_anew_leads(lab: Lab) -> None:
    """Random changes in random batches, then each node's kernel against one that was written from nothing."""
    random = Random(7)  # one order for every run; each step depends on those before
    names = ["one", "two", "three"]
    kinds: list[dict[str, Any]] = [
        {},
        {"type": "NodePort"},
        {"type": "LoadBalancer", "externalTrafficPolicy": "Local"},
        {"internalTrafficPolicy": "Local"},
        {"sessionAffinity": "ClientIP"},
        {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.244.1.0/24", "fd00::/8"]},
    ]
    peers: list[dict[str, Any]] = [
        only("a"),
        only("b", "c"),
        {"namespaceSelector": {}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
    ]
    ports = [{"port": 80}, {"port": "web"}, {"protocol": "UDP", "port": 1, "endPort": 9}]

    def service(name: str) -> Object:
        number = names.index(name) + 1
        spec = dict(random.choice(kinds))
        if spec.get("type") == "LoadBalancer":
            spec["ingress"] = f"172.18.255.{number}"
        port = {"name": "web", "port": 80, "nodePort": 30080 + number}
        ips = [f"10.96.0.{number}", f"fd00:10:96::{number}"]
        return lab.service(name, clusterIP=ips[0], clusterIPs=ips, ports=[port], **spec)

    def policy(name: str) -> Object:
        rules = [
            {"from": random.sample(peers, random.randint(0, 2)), "ports": random.sample(ports, random.randint(0, 2))}
            for _ in range(random.randint(0, 2))
        ]
        out = [{"to": rule["from"], "ports": rule["ports"]} for rule in rules]
        types = random.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
        return lab.policy(
            name, **random.choice([only("a", "c"), {"podSelector": {}}]), policyTypes=types, ingress=rules, egress=out
        )

    def cluster_policy(name: str) -> Object:
        peers: list[dict[str, Any]] = [{"namespaces": {}}, {"pods": only("b", "d")}]
        rules = [
            {"action": random.choice(["Accept", "Deny", "Pass"]), "from": [random.choice(peers)]}
            for _ in range(random.randint(0, 2))
        ]
        to = [{"action": "Pass", "to": [random.choice([*peers, {"nodes": {}}, {"networks": ["10.0.0.0/8"]}])]}]
        tier, priority = random.choice(["Admin", "Baseline"]), random.randint(0, 2)
        return lab.cluster_policy(name, tier, priority, random.choice("abc"), ingress=rules, egress=to)

    for _ in range(240):
        name = random.choice(names)
        ready = random.sample(list("abcd"), random.randint(0, 4))
        match random.randrange(9):
            case 0:
                lab.put(service(name))
            case 1:
                lab.remove(lab.service(name))
            case 2 | 3:
                lab.put(*lab.slices(*ready, service=name, ready=random.random() < 0.8))
            case 4:
                lab.put(policy(name))
            case 5:
                lab.remove(lab.policy(name))
            case 6:
                lab.put(lab.pod(random.choice("abcd"), app=random.choice("abc")))
            case 7:
                lab.put(cluster_policy(name))
            case 8:
                lab.remove(lab.cluster_policy(name, "Admin"))
        if random.random() < 0.3:
            await asyncio.sleep(random.random() * 0.002)  # sometimes while a transaction runs
    await lab.programmer.synced()
    await lab.consistent()
    for node in lab.threads:
        before = await lab.programmer.dump(node)
        lab.programmer.resync(node)
        await lab.programmer.synced()
        after = await lab.programmer.dump(node)
        assert before.elements == after.elements
        assert before.chains == after.chains
    assert not lab.errors, lab.errors
