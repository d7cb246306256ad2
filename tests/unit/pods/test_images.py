"""What answers in a container's place."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.dataplane.pods.images import Done, Port, Run, StandIn, answer
from sealane.network.standins import echoes, short_name

HERE = {"sh", "sleep", "curl", "nslookup"}


def answered(image: str, *, init: bool = False, ends: bool = False, **fields: Any) -> object:
    return answer({"name": "c", "image": image, **fields}, HERE.__contains__, init=init, ends=ends)


def ports(image: str, **fields: Any) -> list[tuple[str, int, str, str]]:
    found = answered(image, **fields)
    assert isinstance(found, StandIn)
    return [(one.protocol, one.port, one.behaviour, one.role) for one in found.ports]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("registry.k8s.io/e2e-test-images/agnhost:2.53", "agnhost"),
        ("localhost:5000/shop/web@sha256:abcd", "web"),
    ],
)
def test_short_names(image: str, name: str) -> None:
    assert short_name(image) == name


def test_commands_run_in_images_that_are_systems_or_tools() -> None:
    script: dict[str, Any] = {"command": ["sh", "-c"], "args": ["sleep 1"], "ports": [{"containerPort": 1}]}
    for image in ("busybox", "docker.io/library/alpine:3.20", "curlimages/curl", "sealane/host"):
        found = answered(image, **script)
        assert isinstance(found, Run)
        assert found.argv == ("sh", "-c", "sleep 1")
    typed = answered("example.com/app", command=["sh"], stdin=True)
    assert isinstance(typed, Run)


def test_what_needs_its_image_is_not_run_whatever_is_installed_here() -> None:
    script: dict[str, Any] = {"command": ["sh", "-c", "cp /opt/plugins/* /plugins/"]}
    assert ports("redis", **script, ports=[{"containerPort": 1}]) == [("TCP", 1, "echo", "stand-ins")]
    assert isinstance(answered("example.com/app", init=True, **script), Done)
    assert isinstance(answered("example.com/app", ends=True, **script), Done)
    assert isinstance(answered("example.com/app", ends=True), Done)
    agnhost = answered("agnhost", init=True, command=["sh", "-c", "true"])
    assert isinstance(agnhost, Done)


def test_a_script_that_waits_with_a_tool_that_is_not_here_is_not_run() -> None:
    script = ["sh", "-c", "until nc -z kafka 9092; do echo waiting for kafka; sleep 2; done"]
    found = answered("busybox", init=True, command=script)
    assert isinstance(found, Done)
    assert "nc is not on this machine" in found.says
    there = answered("busybox", init=True, command=["sh", "-c", "until nslookup kafka; do echo nc; sleep 2; done"])
    assert isinstance(there, Run)


def test_a_mistake_in_a_system_is_run_and_fails_there() -> None:
    for image in ("busybox", "alpine:3", "python:3.13", "sealane/host"):
        for command in (["slepp", "9"], ["/bin/slepp"], ["sh", "-c", "slepp 9"]):
            assert isinstance(answered(image, command=command), Run)
            assert isinstance(answered(image, command=command, init=True), Run)
    assert isinstance(answered("sealane/host", command=["nc", "-l"]), Run)
    assert isinstance(answered("busybox", command=["/app/server"]), StandIn)
    assert isinstance(answered("alpine", command=["apk", "add", "jq"]), StandIn)


def test_args_run_when_the_image_has_no_entrypoint_or_is_its_program() -> None:
    busybox, curl = answered("busybox:1.36", args=["sleep", "9"]), answered("curlimages/curl", args=["-s", "http://x"])
    assert isinstance(busybox, Run)
    assert isinstance(curl, Run)
    assert busybox.argv == ("sleep", "9")
    assert curl.argv == ("curl", "-s", "http://x")
    assert isinstance(answered("myapp", args=["sh"]), StandIn)  # args of an entrypoint we do not have


def test_a_missing_program_is_answered_by_its_ports_or_done() -> None:
    declared = ports("redis", command=["redis-server"], ports=[{"containerPort": 6379}])
    assert declared == [("TCP", 6379, "echo", "stand-ins")]
    assert ports("worker", command=["celery", "-A", "x"]) == []
    assert isinstance(answered("migrate", command=["migrate"], init=True), Done)
    assert isinstance(answered("busybox", init=True), Done)
    lacking = answer(
        {"name": "c", "image": "busybox", "command": ["sh"]}, HERE.__contains__, lacking="it ended with 127"
    )
    assert isinstance(lacking, StandIn)
    assert lacking.says.endswith("because it ended with 127")


def test_declared_ports_and_what_well_known_images_listen_on() -> None:
    declared = [{"containerPort": 8080, "name": "http"}, {"containerPort": 53, "protocol": "UDP"}]
    assert ports("shop/cart", ports=declared) == [
        ("TCP", 8080, "echo", "stand-ins"),
        ("UDP", 53, "echo", "stand-ins"),
    ]
    assert ports("nginx:alpine") == [("TCP", 80, "echo", "stand-ins")]
    assert ports("nginx", ports=[{"containerPort": 8080}]) == [("TCP", 8080, "echo", "stand-ins")]
    assert ports("bitnami/redis") == [("TCP", 6379, "echo", "stand-ins")]
    assert ports("shop/cart") == []
    assert ports("busybox") == []


def test_what_is_known_to_be_no_echo_is_answered_by_none() -> None:
    images = ("pause", "coredns", "k8s-dns-node-cache", "echo-basic", "agnhost", "http-echo", "sealane/envoy", "nginx")
    for image in images:
        found = answered(image, args=["netexec"])
        assert isinstance(found, StandIn)
        assert found.echoes is echoes(image)


def test_the_table() -> None:
    assert ports("coredns/coredns:1.12")[:2] == [("UDP", 53, "dns", "dns"), ("TCP", 53, "dns", "dns")]
    assert ports("sealane/envoy", ports=[{"containerPort": 80}]) == []
    conformance = [("TCP", port, "conformance", "stand-ins") for port in (3000, 3001, 8443)]
    assert ports("gcr.io/k8s-staging-gateway-api/echo-basic:v1") == conformance
    assert ports("echo-basic", env=[{"name": "HTTP_PORT", "value": "80"}])[0] == ("TCP", 80, "conformance", "stand-ins")
    lines = [("TCP", port, "conformance-lines", "stand-ins") for port in (3000, 8443)]
    assert ports("echo-basic", env=[{"name": "TCP_ECHO_SERVER", "value": "1"}]) == lines
    udp = [{"name": "UDP_ECHO_SERVER", "value": "1"}, {"name": "UDP_PORT", "value": "53"}]
    assert ports("echo-basic", env=udp) == [("UDP", 53, "conformance", "stand-ins")]
    grpc = [("TCP", port, "conformance", "stand-ins") for port in (3000, 8443)]
    assert ports("echo-basic", env=[{"name": "GRPC_ECHO_SERVER", "value": "1"}]) == grpc
    assert ports("agnhost:2.53", args=["netexec", "--http-port=80", "--udp-port", "90"]) == [
        ("TCP", 80, "netexec", "stand-ins"),
        ("UDP", 90, "netexec", "stand-ins"),
    ]
    assert ports("agnhost", args=["serve-hostname"]) == [("TCP", 9376, "hostname", "stand-ins")]
    assert ports("agnhost", args=["pause"]) == []
    script = "/agnhost serve-hostname --tcp --http=false --port 80"
    assert ports("agnhost", command=["/bin/bash", "-c", script]) == [("TCP", 80, "hostname-at-once", "stand-ins")]
    script = "/agnhost serve-hostname --udp --http=false --port 53"
    assert ports("agnhost", command=["/bin/bash", "-c", script]) == [("UDP", 53, "hostname", "stand-ins")]
    assert ports("agnhost", command=["/agnhost", "netexec"], args=["--http-port=80"]) == [
        ("TCP", 80, "netexec", "stand-ins"),
        ("UDP", 8081, "netexec", "stand-ins"),
    ]
    narrow = answered("agnhost", args=["netexec", "--udp-port=90", "--udp-listen-addresses", "$(HOST_IP)"])
    assert isinstance(narrow, StandIn)
    assert [port.own for port in narrow.ports] == [False, True]
    assert ports("pause:3.10", ports=[{"containerPort": 80}]) == []
    echo = answered("hashicorp/http-echo", args=["-text=hi there", "-listen=:8000"])
    assert isinstance(echo, StandIn)
    assert echo.ports == (Port("TCP", 8000, "http", "text", {"text": "hi there"}),)
