"""Each Service, DNS and CoreDNS manifest of the corpus, word for word, on a running cluster: it works, or says why not.

Files that claim the same name or node port are not applied together: a batch is applied, tried and deleted.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
from tests.clients import corpus

from sealane.testing.cluster import Cluster, Done, eventually

TABLE = corpus.table("corpus_services.yaml")
KINDS = frozenset({"Service", "Pod", "DaemonSet", "ConfigMap"})
OUTSIDE_NAMES = {
    "db.example.com.": "192.0.2.10",
    "db.example.net.": "192.0.2.20",
    "db.legacy.example.net.": "192.0.2.30",
}
CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: client, image: nicolaka/netshoot, command: [sleep, infinity]}]}
"""
NODES = 2

pytestmark = corpus.needs_corpus


def claims(name: str) -> set[object]:
    """What only one object of a cluster can have: its name, its node ports."""
    found: set[object] = set()
    for each in corpus.objects(name):
        metadata, spec = each.get("metadata", {}), each.get("spec", {})
        found.add((each.get("kind"), metadata.get("namespace"), metadata.get("name")))
        found |= {port["nodePort"] for port in spec.get("ports", ()) if "nodePort" in port}
    return found


def batches() -> list[list[str]]:
    """Files that can stand side by side, in as few batches as their order allows."""
    found: list[tuple[list[str], set[object]]] = []
    for name in (name for name, said in TABLE.items() if "refused" not in said) if corpus.CORPUS else ():
        source = TABLE[name].get("patch", name)
        wanted = claims(source)
        for names, claimed in found:
            if not wanted & claimed:
                names.append(name)
                claimed |= wanted
                break
        else:
            found.append(([name], wanted))
    return [names for names, _ in found]


BATCHES = batches()


def test_the_table_has_every_such_file() -> None:
    mine = {name for name in TABLE if "patch" not in TABLE[name]}
    assert mine == corpus.files("yaml", KINDS)


@pytest.fixture(scope="module")
def resolver() -> Iterator[str]:
    """A name server on loopback that knows the names outside the cluster; its ADDRESS:PORT."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.bind(("127.0.0.1", 0))
        served.settimeout(0.2)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    data, sender = served.recvfrom(4096)
                    served.sendto(answer(data), sender)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{served.getsockname()[1]}"
        ended.set()
        thread.join()


def answer(data: bytes) -> bytes:
    query = dns.message.from_wire(data)
    response = dns.message.make_response(query)
    name = str(query.question[0].name).lower()
    if name not in OUTSIDE_NAMES:
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif query.question[0].rdtype == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(name, 30, "IN", "A", OUTSIDE_NAMES[name]))
    return response.to_wire()


@pytest.fixture(scope="module")
def sealane(resolver: str) -> Iterator[Cluster]:
    cluster = Cluster(f"corpus-{os.getpid()}")
    try:
        up = ("up", "-", "--nodes", str(NODES), "--dns-upstream", resolver)
        cluster.sealane(*up, stdin=CLIENT).check()
        yield cluster
    finally:
        cluster.sealane("down")


@pytest.fixture(scope="module")
def batch(sealane: Cluster, request: pytest.FixtureRequest) -> Iterator[Done]:
    """A batch, applied; what `up` said."""
    assert corpus.CORPUS is not None
    names = BATCHES[request.param]
    paths = [str(corpus.CORPUS / TABLE[name].get("patch", name)) for name in names]
    done = sealane.sealane("up", "--populate", *paths).check()
    for name in names:
        if source := TABLE[name].get("patch"):
            [patched] = corpus.objects(source)
            sealane.kubectl(
                "patch", "service", patched["metadata"]["name"], "--patch-file", str(corpus.CORPUS / name)
            ).check()
    yield done
    for path in paths:
        if "002-0333" not in path:  # the cluster's own ConfigMap
            sealane.kubectl("delete", "--wait=false", "-f", path)


@pytest.mark.parametrize(
    ("batch", "name"), [(number, name) for number, names in enumerate(BATCHES) for name in names], indirect=["batch"]
)
def test_it_works(sealane: Cluster, batch: Done, name: str) -> None:
    if warning := TABLE[name].get("warns"):
        assert any(name in line and warning in line for line in batch.err.splitlines()), batch.err
    for each in corpus.objects(TABLE[name].get("patch", name)):
        metadata = each["metadata"]
        found = sealane.get(each["kind"], metadata["name"], metadata.get("namespace", "default"))
        for check in TABLE[name]["works"]:
            CHECKS[check](sealane, found)


@pytest.mark.parametrize("name", [name for name, said in TABLE.items() if "refused" in said])
def test_it_is_refused(sealane: Cluster, name: str) -> None:
    assert corpus.CORPUS is not None
    done = sealane.sealane("up", "--populate", str(corpus.CORPUS / name))
    assert done.code == 2, done
    assert TABLE[name]["refused"] in done.err
    by_api = sealane.kubectl("apply", "-f", str(corpus.CORPUS / name))
    assert by_api.code == 1
    assert TABLE[name]["refused"].partition(":")[0] in by_api.err


# What is tried: each takes the cluster and the object as the API has it.


def inside(sealane: Cluster, command: str) -> str:
    return sealane.kubectl("exec", "client", "--", "sh", "-c", command).check().out


def host(service: dict[str, Any]) -> str:
    """The name by which a pod of `default` reaches it."""
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    return str(name) if namespace == "default" else f"{name}.{namespace}"


def pods(sealane: Cluster, service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The ready pods that its selector selects, by address."""
    selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
    listed = sealane.kubectl(
        "get", "pods", "-n", service["metadata"]["namespace"], "-l", selector, "-o", "json"
    ).check()
    return {
        each["status"]["podIP"]: each
        for each in listed.json()["items"]
        if "deletionTimestamp" not in each["metadata"]
        and any(said["type"] == "Ready" and said["status"] == "True" for said in each["status"]["conditions"])
    }


def target(port: dict[str, Any]) -> int:
    number = port.get("targetPort", port["port"])
    assert isinstance(number, int)
    return number


def endpoints(sealane: Cluster, service: dict[str, Any]) -> None:
    """kubectl get endpoints names each pod's address with each target port."""
    metadata = service["metadata"]

    def agree() -> bool:
        wanted = {
            f"{address}:{target(port)}" for address in pods(sealane, service) for port in service["spec"]["ports"]
        }
        get = sealane.kubectl("get", "endpoints", metadata["name"], "-n", metadata["namespace"], "--no-headers")
        listed, _, more = get.check().out.strip().partition(" + ")  # kubectl prints three, and how many more there are
        assert wanted
        assert set(listed.split()[1].split(",")) <= wanted
        assert len(listed.split(",")) + int((more or "0").split()[0]) == len(wanted)
        return True

    eventually(agree)


def names(sealane: Cluster, service: dict[str, Any]) -> None:
    said = inside(sealane, f"nslookup {host(service)}")
    full = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"
    assert f"Name:\t{full}\nAddress: {service['spec']['clusterIP']}" in said
    for port in service["spec"]["ports"]:
        if "name" in port:
            srv = inside(sealane, f"dig +short _{port['name']}._tcp.{full} SRV")
            assert srv.split()[2:] == [str(port["port"]), f"{full}."]


def pod_names(sealane: Cluster, service: dict[str, Any]) -> None:
    """A headless Service's name stands for its pods, which answer on their own ports."""
    assert service["spec"]["clusterIP"] == "None"
    ready = pods(sealane, service)
    for port in service["spec"]["ports"]:
        eventually(lambda: set(inside(sealane, f"dig +short +search {host(service)} A").split()) == set(ready))
        connected(sealane, host(service), port)
        for address in ready:
            connected(sealane, address, port)


def connected(sealane: Cluster, name: str, port: dict[str, Any]) -> None:
    inside(sealane, f"nc -vz -w 5 {name} {port['port']} 2>&1")


def asked(sealane: Cluster, url: str) -> dict[str, Any]:
    answered: dict[str, Any] = json.loads(inside(sealane, f"curl -sS --max-time 5 {url}"))
    return answered


def cluster(sealane: Cluster, service: dict[str, Any]) -> None:
    """Its name and its address answer on each port, and one of its pods does it on the target port."""
    ready = {each["metadata"]["name"] for each in pods(sealane, service).values()}
    for port in service["spec"]["ports"]:
        for name in (host(service), service["spec"]["clusterIP"]):
            connected(sealane, name, port)
            answered = asked(sealane, f"http://{name}:{port['port']}/here")
            assert answered["pod"] in ready
            assert answered["port"] == target(port)


def from_outside(sealane: Cluster, addresses: list[str]) -> list[dict[str, Any] | None]:
    """What HTTP answers at each ADDRESS:PORT, for a client outside the cluster; None where nobody does."""
    script = "; ".join(f"curl -sS --max-time 2 http://{each}/ || true; echo ---" for each in addresses)
    said = sealane.sealane("run", "--", "sh", "-c", script).check().out.split("---\n")[:-1]
    return [json.loads(text) if text.strip() else None for text in said]


def node_addresses(sealane: Cluster) -> dict[str, str]:
    return {
        node["metadata"]["name"]: next(
            each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"
        )
        for node in sealane.get("nodes")["items"]
    }


def nodes(sealane: Cluster, service: dict[str, Any]) -> None:
    """Every node answers on the node port."""
    ready = {each["metadata"]["name"] for each in pods(sealane, service).values()}
    for port in service["spec"]["ports"]:
        where = [f"{address}:{port['nodePort']}" for address in node_addresses(sealane).values()]
        for answered in from_outside(sealane, where):
            assert answered is not None
            assert answered["pod"] in ready


def own_nodes(sealane: Cluster, service: dict[str, Any]) -> None:
    """externalTrafficPolicy Local: nodes with a pod answer from it and let it see the client; others do not answer."""
    ready = pods(sealane, service).values()
    there = {each["spec"]["nodeName"]: each["metadata"]["name"] for each in ready}
    by_node = node_addresses(sealane)
    [port] = service["spec"]["ports"]
    answers = from_outside(sealane, [f"{address}:{port['nodePort']}" for address in by_node.values()])
    for node, answered in zip(by_node, answers, strict=True):
        if node not in there:
            assert answered is None
        else:
            assert answered is not None
            assert answered["node"] == node
            assert answered["client"]["ip"] == "172.18.0.1"


def balancer(sealane: Cluster, service: dict[str, Any]) -> None:
    """It has an address that answers outside, and on this machine's loopback."""
    [ingress] = service["status"]["loadBalancer"]["ingress"]
    ready = {each["metadata"]["name"] for each in pods(sealane, service).values()}
    for port in service["spec"]["ports"]:
        [answered] = from_outside(sealane, [f"{ingress['ip']}:{port['port']}"])
        assert answered is not None
        assert answered["pod"] in ready
        mirrored = {each["address"]: each["host"] for each in sealane.status()["reachable"]}
        assert mirrored[f"{ingress['ip']}:{port['port']}"].startswith("127.")


def balancer_of_tls(sealane: Cluster, service: dict[str, Any]) -> None:
    """TLS ends at the load balancer, and an Event says how to give it another certificate."""
    [ingress] = service["status"]["loadBalancer"]["ingress"]
    ready = {each["metadata"]["name"] for each in pods(sealane, service).values()}
    [port] = service["spec"]["ports"]
    command = f"curl -sSk --max-time 5 https://{ingress['ip']}:{port['port']}/"
    said = sealane.sealane("run", "--", "sh", "-c", command).check().json()
    assert said["pod"] in ready
    name = service["metadata"]["name"]
    eventually(lambda: "Secret" in sealane.kubectl("events", "--for", f"service/{name}").check().out)


def public_name(sealane: Cluster, service: dict[str, Any]) -> None:
    """The name that ExternalDNS would publish is answered with the addresses of the nodes."""
    name = service["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/hostname"]
    wanted = set(node_addresses(sealane).values())
    eventually(lambda: set(inside(sealane, f"dig +short {name} A").split()) == wanted)


def affinity(sealane: Cluster, service: dict[str, Any]) -> None:
    assert service["spec"]["sessionAffinity"] == "ClientIP"
    [port] = service["spec"]["ports"]
    script = f"for i in 1 2 3 4 5 6 7 8 9 10; do curl -sS http://{host(service)}:{port['port']}/ | grep '\"pod\"'; done"
    answered = inside(sealane, script).splitlines()
    assert len(answered) == 10
    assert len(set(answered)) == 1


def alias(sealane: Cluster, service: dict[str, Any]) -> None:
    """nslookup follows the CNAME to the address that the name outside has."""
    said = inside(sealane, f"nslookup {host(service)}")
    target = service["spec"]["externalName"]
    assert f"canonical name = {target}." in said
    assert OUTSIDE_NAMES[f"{target}."] in said


def explained(sealane: Cluster, service: dict[str, Any]) -> None:
    """Each annotation that is not honoured is named in an Event of the Service."""
    name = service["metadata"]["name"]
    ours = [key for key in service["metadata"]["annotations"] if not key.startswith("kubectl.kubernetes.io/")]

    def messages() -> str:
        events = sealane.kubectl("events", "--for", f"service/{name}").check().out
        return events if all(key in events for key in ours) else ""

    assert ours
    eventually(messages)


def own_resolvers(sealane: Cluster, pod: dict[str, Any]) -> None:
    """dnsPolicy None: the pod's resolv.conf says what its dnsConfig says, and nothing else."""
    said = sealane.kubectl("exec", pod["metadata"]["name"], "--", "cat", "/etc/resolv.conf").check().out.split("\n")
    config = pod["spec"]["dnsConfig"]
    assert [line for line in said if line.startswith("nameserver")] == [
        f"nameserver {a}" for a in config["nameservers"]
    ]
    assert f"search {' '.join(config['searches'])}" in said
    assert "options ndots:2" in said


def dns_follows(sealane: Cluster, configmap: dict[str, Any]) -> None:
    """The Corefile is taken (no Event says otherwise), and names inside and outside are answered by it."""
    assert "Corefile" in configmap["data"]
    said = inside(sealane, "nslookup kubernetes.default && nslookup db.example.com")
    assert "Address: 10.96.0.1\n" in said
    assert f"Address: {OUTSIDE_NAMES['db.example.com.']}\n" in said
    pod_name = "10-96-0-1.default.pod.cluster.local"  # `pods insecure`
    assert inside(sealane, f"dig +short {pod_name}").split() == ["10.96.0.1"]
    events = sealane.kubectl("events", "-n", "kube-system", "--types=Warning").check().out
    assert "Corefile" not in events


CHECKS: dict[str, Callable[[Cluster, dict[str, Any]], None]] = {
    "endpoints": endpoints,
    "names": names,
    "pod names": pod_names,
    "cluster": cluster,
    "nodes": nodes,
    "own nodes": own_nodes,
    "balancer": balancer,
    "balancer of TLS": balancer_of_tls,
    "public name": public_name,
    "affinity": affinity,
    "alias": alias,
    "explained": explained,
    "own resolvers": own_resolvers,
    "dns": dns_follows,
}
