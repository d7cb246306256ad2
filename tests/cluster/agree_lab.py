"""A whole cluster of manifests in namespaces, without API and controllers: what the model says against packets.

`explain.expect` says which pods there are; each gets its namespace and sockets on its declared ports. The nftables
rules are the data plane's own, coredns pods answer with the real DNS server. Run as a script it plays one scenario:

    python agree_lab.py SCENARIO RUN_DIR
"""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml

from sealane.cluster import bootstrap
from sealane.dataplane.dns.route import Route
from sealane.dataplane.dns.server import Server
from sealane.dataplane.dns.table import Table
from sealane.dataplane.linux import namespaces, privileges, topology
from sealane.dataplane.linux.probe import ProbeRequest, probe, requested
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.nft.programmer import NftProgrammer
from sealane.explain.expect import expected
from sealane.explain.reach import ports
from sealane.explain.verify import Attempt, Outcome, Report, attempts, verify
from sealane.explain.world import World
from sealane.kube.objects import Key, Object
from sealane.network.addresses import plan_node
from sealane.network.model import Network
from sealane.network.pods import addresses as pod_addresses

SHOP = Path(__file__).parents[2] / "examples" / "shop"


class Lab:
    def __init__(self, run: Path, objects: Sequence[Object], nodes: int = 3) -> None:
        cluster = [Object(raw) for _, raw in bootstrap.objects(2)]
        self.run_dir = run
        self.world = World([with_uid(item) for item in expected([*cluster, *objects], nodes)])
        plans = [plan_node(index) for index in range(1, nodes + 1)]
        topology.create_outside(run, plans)
        for plan in plans:
            topology.create_node(run, plan, plans)
        self.threads = {plan.name: NamespaceThread(str(self.netns(plan.name)), plan.name) for plan in plans}
        links = {plan.name: self.threads[plan.name].call(topology.NodeLinks, run, plan) for plan in plans}
        self.dns = Server(Route("", Table(self.world.zone)))
        self.sockets: list[socket.socket] = []
        for pod in self.world.pods.values():
            node = pod.spec["nodeName"]
            sockets = [
                topology.SocketPlan(protocol, family, port)
                for port, protocol in ports(self.world, pod)
                for family in (4, 6)
            ]
            link = topology.PodLink(pod.uid, tuple(ip_address(address) for address in pod_addresses(pod)))
            self.threads[node].call(links[node].create_pod, link)
            made = self.threads[node].call(topology.open_sockets, sockets, self.netns(topology.pod_namespace(pod.uid)))
            if pod.labels.get("k8s-app") == "kube-dns":
                self.dns.serve(made)
            else:
                for opened in made:
                    asyncio.get_running_loop().add_reader(opened, answer, opened)
            self.sockets += made
        network = Network.of(self.world.objects.values())
        self.errors: list[Any] = []
        self.programmer = NftProgrammer(
            network,
            {plan.name: (plan, self.threads[plan.name]) for plan in plans},
            on_error=lambda node, error: self.errors.append((node, error)),
        )
        self.sources = {kind.kind: network.objects[kind] for kind in network.objects}

    def netns(self, name: str) -> Path:
        return namespaces.path_of(self.run_dir, name)

    def pod(self, name: str) -> Object:
        namespace, _, name = name.partition("/")
        found = self.world.pods.get(Key("", "Pod", namespace, name))
        assert found is not None, name
        return found

    async def verify(self) -> Report:
        async def attempt(wanted: Sequence[Attempt]) -> list[Outcome]:
            return await asyncio.to_thread(
                probe, requested(self.run_dir, [ProbeRequest(**each.request()) for each in wanted])
            )

        return await verify(self.world, attempt)

    async def run(self, where: str, *command: str) -> str:
        """What `command` prints, inside a pod ("shop/cart-0") or namespace ("node-1", "outside")."""
        name = topology.pod_namespace(self.pod(where).uid) if "/" in where else where
        done = await asyncio.to_thread(
            subprocess.run,
            ["nsenter", f"--net={self.netns(name)}", *command],
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


def with_uid(item: Object) -> Object:
    if item.kind != "Pod":
        return item
    uid = f"{item.namespace}-{item.name}"
    return Object({**item.raw, "metadata": {**item.metadata, "uid": uid}}, item.origin)


def answer(opened: socket.socket) -> None:
    with suppress(OSError):
        if opened.type == socket.SOCK_STREAM:
            opened.accept()[0].close()
        else:
            data, peer = opened.recvfrom(2048)
            opened.sendto(data, peer)


def shop() -> list[Object]:
    return [Object(raw) for file in sorted(SHOP.glob("*.yaml")) for raw in yaml.safe_load_all(file.read_text()) if raw]


def texts(report: Report) -> list[str]:
    return [each.text for each in report.disagreements]


# Scenarios

Scenario = Callable[[Lab], Awaitable[None]]


async def shop_agrees(lab: Lab) -> None:
    report = await lab.verify()
    assert texts(report) == []
    assert report.allowed > 50
    assert report.attempts - report.allowed > 50


async def a_broken_rule_is_reported(lab: Lab) -> None:
    """Someone flushes by hand the chain of the policy that lets the Gateway's proxy in, on every node."""
    for node in lab.threads:
        rules = await lab.run(node, "nft", "list", "table", "inet", "sealane-policies")
        chains = [
            line.split()[1]
            for line in rules.splitlines()
            if line.strip().startswith("chain ingress-shop-allow-gateway")
        ]
        for chain in chains:
            await lab.run(node, "nft", "flush", "chain", "inet", "sealane-policies", chain)
    found = texts(await lab.verify())
    assert all(text.startswith("cluster-system/shop-gateway-sealane-0 → ") for text in found), found
    assert all(text.endswith("and was met with silence") for text in found), found
    pods = [text for text in found if " → shop/" in text]
    assert len(pods) == 14, found  # two frontends, three carts, two checkouts, over IPv4 and IPv6
    assert all("NetworkPolicy shop/allow-gateway allows it" in text for text in pods)
    assert len(found) == 17, found  # and their Services


async def a_lost_service_and_an_open_door_are_reported(lab: Lab) -> None:
    for node in lab.threads:
        await lab.run(node, "nft", "delete", "table", "inet", "sealane-policies")
        await lab.run(node, "nft", "delete", "table", "inet", "sealane-services")
    found = texts(await lab.verify())
    assert any("shop/frontend-0 → shop/database-0 5432/TCP should get no answer" in text for text in found)
    assert any("shop/frontend-0 → Service shop/cart-service" in text for text in found)
    assert any(text.startswith("outside → Service cluster-system/shop-gateway-sealane") for text in found)


async def some_endpoints_and_ipv6(lab: Lab) -> None:
    """A dual-stack Service one of whose two pods is shut: some connections are answered, over both families."""
    report = await lab.verify()
    assert texts(report) == []
    mixed = {each.what for each in attempts(lab.world) if each.mixed and each.tries > 1}
    assert {" → Service one/web 10.96." in what for what in mixed} == {True, False}
    assert any(" → Service one/web [fd00:10:96::" in what for what in mixed)
    for node in lab.threads:
        await lab.run(node, "nft", "delete", "table", "inet", "sealane-policies")
    found = texts(await lab.verify())
    for what in mixed:
        assert any(text.startswith(f"{what} should be answered by some endpoints and not by others") for text in found)
    assert any("one/client → one/shut 80/TCP over IPv6 should get no answer" in text for text in found), found


async def names_from_inside_pods(lab: Lab) -> None:
    """dig asks the cluster address of DNS from a pod of a namespace that denies all but that."""
    server, name = "@10.96.0.10", "cart-service.shop.svc.cluster.local"
    cluster_ip = lab.world.objects[Key("", "Service", "shop", "cart-service")].spec["clusterIP"]
    for transport in ("+notcp", "+tcp"):
        assert await lab.run("shop/frontend-0", "dig", "+short", transport, server, name) == cluster_ip
    found = await lab.run("shop/cart-1", "dig", "+short", server, "database.shop.svc.cluster.local")
    assert set(found.split()) == {pod_addresses(lab.pod(f"shop/database-{index}"))[0] for index in (0, 1)}
    found = await lab.run("shop/cart-1", "dig", "+short", server, "database-1.database.shop.svc.cluster.local")
    assert found == pod_addresses(lab.pod("shop/database-1"))[0]
    found = await lab.run(
        "shop/cart-1", "dig", "+short", "SRV", server, "_http._tcp.cart-service.shop.svc.cluster.local"
    )
    assert found == f"0 100 80 {name}."
    assert await lab.run("shop/cart-1", "dig", "+short", server, "-x", cluster_ip) == f"{name}."
    assert "NXDOMAIN" in await lab.run("shop/cart-1", "dig", server, "nothing.shop.svc.cluster.local")
    assert "REFUSED" in await lab.run("shop/cart-1", "dig", server, "example.com")
    found = await lab.run("node-1", "dig", "+short", "@fd00:10:96::a", name)
    assert found == cluster_ip


async def random_clusters_agree(lab: Lab) -> None:
    """Policies drawn at random, one set after another on the same pods: no packet may contradict the model."""
    chance = random.Random(20)
    for _ in range(12):
        policies = [random_policy(chance, index) for index in range(chance.randint(1, 4))]
        lab.sources["NetworkPolicy"].replace({item.key: item for item in policies})
        await lab.programmer.synced()
        others = [item for item in lab.world.objects.values() if item.kind != "NetworkPolicy"]
        lab.world = World([*others, *policies])
        found = texts(await lab.verify())
        assert found == [], (found, [item.raw for item in policies])


def random_policy(chance: random.Random, index: int) -> Object:
    def labels() -> dict[str, str]:
        return chance.choice([{}, {"app": "a"}, {"app": "b"}, {"tier": "x"}, {"app": "c", "tier": "y"}])

    def peer() -> dict[str, Any]:
        pods, spaces = {"matchLabels": labels()}, {"matchLabels": chance.choice([{}, {"team": "one"}])}
        block = {"cidr": chance.choice(["10.244.1.0/24", "10.244.0.0/16"]), "except": ["10.244.1.3/32"]}
        return chance.choice(
            [{"podSelector": pods}, {"namespaceSelector": spaces, "podSelector": pods}, {"ipBlock": block}]
        )

    def rule(direction: str) -> dict[str, Any]:
        port = chance.choice([[{"port": 80}], [{"port": "web"}], [{"port": 50, "endPort": 60, "protocol": "UDP"}]])
        found: dict[str, Any] = {"ports": port} if chance.random() < 0.5 else {}
        if chance.random() < 0.8:
            found["from" if direction == "ingress" else "to"] = [peer() for _ in range(chance.randint(1, 2))]
        return found

    spec: dict[str, Any] = {"podSelector": {"matchLabels": labels()}, "policyTypes": []}
    for kind in chance.sample(["Ingress", "Egress"], chance.randint(1, 2)):
        spec["policyTypes"].append(kind)
        spec[kind.lower()] = [rule(kind.lower()) for _ in range(chance.randint(0, 2))]
    metadata = {"name": f"policy-{index}", "namespace": chance.choice(["one", "two"])}
    return Object({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})


def partly_shut() -> list[Object]:
    """Two pods under one Service, of which a policy shuts one, a client, and a Service of nobody."""

    def pod(name: str, **labels: str) -> Object:
        metadata = {"name": name, "namespace": "one", "labels": labels}
        container = {"name": "c", "ports": [{"containerPort": 80}]}
        return Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})

    def service(name: str, app: str) -> Object:
        spec = {"selector": {"app": app}, "ipFamilyPolicy": "RequireDualStack", "ports": [{"port": 80}]}
        metadata = {"name": name, "namespace": "one"}
        return Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})

    policy = {"podSelector": {"matchLabels": {"part": "shut"}}, "policyTypes": ["Ingress"]}
    metadata = {"name": "shut", "namespace": "one"}
    return [
        pod("open", app="web"),
        pod("shut", app="web", part="shut"),
        pod("client", app="client"),
        service("web", "web"),
        service("empty", "nobody"),
        Object({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": policy}),
    ]


def mixed_pods() -> list[Object]:
    """Pods of several labels in two namespaces, each on TCP 80 and UDP 53, with a Service each."""
    made = []
    for space in ("one", "two"):
        metadata: dict[str, Any] = {"name": space, "labels": {"team": space}}
        made.append(Object({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        for app, tier in (("a", "x"), ("b", "x"), ("c", "y")):
            ports = [{"name": "web", "containerPort": 80}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]
            metadata = {"name": app, "namespace": space, "labels": {"app": app, "tier": tier}}
            spec: dict[str, Any] = {"containers": [{"name": "c", "ports": ports}]}
            made.append(Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
            spec = {"selector": {"app": app}, "ports": [{"name": "web", "port": 8080, "targetPort": "web"}]}
            metadata = {"name": app, "namespace": space}
            made.append(Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}))
    return made


SCENARIOS: dict[str, tuple[Callable[[], list[Object]], Scenario]] = {
    function.__name__: (manifests, function)
    for manifests, function in (
        (shop, shop_agrees),
        (shop, a_broken_rule_is_reported),
        (shop, a_lost_service_and_an_open_door_are_reported),
        (shop, names_from_inside_pods),
        (partly_shut, some_endpoints_and_ipv6),
        (mixed_pods, random_clusters_agree),
    )
}


async def play(name: str, run: Path) -> None:
    manifests, scenario = SCENARIOS[name]
    lab = Lab(run, manifests())
    task = asyncio.create_task(lab.programmer.run())
    await lab.programmer.synced()
    await scenario(lab)
    assert not lab.errors, lab.errors
    task.cancel()
    await asyncio.wait([task])
    await lab.programmer.close()
    await lab.dns.close()


if __name__ == "__main__":
    privileges.become_private(Path(sys.argv[2]))
    asyncio.run(play(sys.argv[1], Path(sys.argv[2])))
    print("played to the end")
