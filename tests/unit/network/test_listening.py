"""Where the containers of a pod listen."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.objects import Object
from sealane.network.listening import ports_of

Raw = dict[str, Any]


def pod(*containers: Raw, **spec: Any) -> Object:
    named = [{"name": f"c{index}", **container} for index, container in enumerate(containers)]
    metadata = {"name": "p", "namespace": "shop", "labels": {"app": "web"}}
    return Object({"kind": "Pod", "metadata": metadata, "spec": {"containers": named, **spec}})


def service(name: str, *ports: Raw, namespace: str = "shop", **selector: str) -> Object:
    spec = {"selector": selector or {"app": "web"}, "ports": list(ports)}
    return Object({"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec})


def found(container: Raw) -> list[str]:
    return [f"{each.port}/{each.protocol}" for each in ports_of(pod(container), ())["c0"]]


def test_probes_and_hooks_name_ports() -> None:
    container = {
        "ports": [{"containerPort": 8443, "name": "https"}],
        "startupProbe": {"tcpSocket": {"port": 1}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8082}},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "8082"}},
        "lifecycle": {
            "postStart": {"httpGet": {"port": 2}},
            "preStop": {"tcpSocket": {"port": "https"}},
        },
    }
    assert [(each.port, each.causes) for each in ports_of(pod(container), ())["c0"]] == [
        (8443, ()),
        (1, ("startupProbe",)),
        (8082, ("livenessProbe", "readinessProbe")),
        (2, ("postStart hook",)),
    ]
    assert found({"livenessProbe": {"grpc": {"port": 9000, "service": "cart"}}}) == ["9000/TCP"]
    assert found({"livenessProbe": {"httpGet": {"port": 9, "host": "127.0.0.1"}}}) == ["9/TCP"]
    assert found({"livenessProbe": {"httpGet": {"port": 9, "host": "example.com"}}}) == []


@pytest.mark.parametrize(
    ("words", "ports"),
    [
        (["--port=8080"], ["8080/TCP"]),
        (["--port", "8080"], ["8080/TCP"]),
        (["--http-port", "80", "--udp-port=81"], ["80/TCP", "81/UDP"]),
        (["--httpPort=80"], ["80/TCP"]),
        (["--listen=:8080", ":9090"], ["8080/TCP", "9090/TCP"]),
        (["--metrics-bind-address=:8443", "--health-probe-bind-address", "0.0.0.0:8082"], ["8443/TCP", "8082/TCP"]),
        (["--web.listen-address=:9100"], ["9100/TCP"]),
        (["--secure-listen-address=[$(IP)]:9100"], ["9100/TCP"]),
        (["--listen-client-urls=http://0.0.0.0:2379,https://10.0.0.1:2380"], ["2379/TCP"]),
        (["sh", "-c", "exec bin/serve --port 3000 -e 'x'"], ["3000/TCP"]),
        (["-p", "5000"], ["5000/TCP"]),
        (["-p", "5432", "-h", "database"], []),
        (["--db-port=5432", "--redis-port", "6379"], []),
        (["--upstream=http://127.0.0.1:8080/", "--server=api:80", "postgres://db:5432/x"], []),
        (["--port=0", "--port=99999", "--timeout=30", "--v", "5"], []),
    ],
)
def test_arguments_name_ports(words: list[str], ports: list[str]) -> None:
    assert found({"args": words}) == ports


@pytest.mark.parametrize(
    ("variables", "ports"),
    [
        ({"PORT": "8080"}, ["8080/TCP"]),
        ({"HTTP_PORT": "80", "DB_PORT": "5432", "FLAGD_HOST": "flagd", "FLAGD_PORT": "8013"}, ["80/TCP"]),
        ({"C0_PORT": "7000"}, ["7000/TCP"]),
        ({"C0_PORT": "7000", "C0_HOST": "elsewhere"}, []),
        ({"LISTEN_ADDR": ":8080", "CART_ADDR": "cart:7070", "API": "http://0.0.0.0:81"}, ["8080/TCP", "81/TCP"]),
        ({"KONG_STATUS_LISTEN": "0.0.0.0:8100 http2 ssl, 127.0.0.1:8101"}, ["8100/TCP"]),
        ({"ASPNETCORE_HTTP_PORTS": "8080;8081"}, ["8080/TCP", "8081/TCP"]),
        ({"SERVER_PORT": "none"}, []),
    ],
)
def test_variables_name_ports(variables: dict[str, str], ports: list[str]) -> None:
    assert found({"env": [{"name": name, "value": value} for name, value in variables.items()]}) == ports


def test_a_variable_in_an_argument() -> None:
    container = {"args": ["--port=$(P)"], "env": [{"name": "P", "value": "81"}, {"name": "X", "valueFrom": {}}]}
    assert found(container) == ["81/TCP"]


def test_services_that_select_the_pod_name_ports() -> None:
    services = [
        service("b", {"port": 80, "targetPort": 9443}, {"port": 81, "targetPort": "named"}),
        service("a", {"port": 7}, {"port": 8, "targetPort": "8125", "protocol": "UDP"}),
        service("others", {"port": 1}, app="other"),
        service("elsewhere", {"port": 2}, namespace="default"),
    ]
    ports = ports_of(pod({"ports": [{"containerPort": 8080}]}, {"ports": [{"containerPort": 7}]}), services)
    assert [(each.port, each.protocol, each.causes) for each in ports["c0"]] == [
        (8080, "TCP", ()),
        (8125, "UDP", ("Service a",)),
        (9443, "TCP", ("Service b",)),
    ]
    assert [each.port for each in ports["c1"]] == [7]


def test_a_port_belongs_to_one_container_and_what_a_program_declares_is_its_own() -> None:
    declares, probes = {"ports": [{"containerPort": 80}]}, {"livenessProbe": {"tcpSocket": {"port": 80}}}
    for containers in ((declares, probes), (probes, declares)):
        ports = ports_of(pod(*containers), ())
        assert sorted(len(each) for each in ports.values()) == [0, 1]
    assert ports_of(pod(declares, probes), (), frozenset({"c0"})) == {"c1": ()}
    assert ports_of(pod({}, {}), [service("a", {"port": 7})], frozenset({"c0"})) == {"c1": ()}


def test_sidecars_listen_and_init_containers_do_not() -> None:
    inits = [
        {"name": "init", "ports": [{"containerPort": 1}]},
        {"name": "sidecar", "restartPolicy": "Always", "ports": [{"containerPort": 2}]},
    ]
    ports = ports_of(pod({}, initContainers=inits), ())
    assert {name: [each.port for each in of] for name, of in ports.items()} == {"c0": [], "sidecar": [2]}
