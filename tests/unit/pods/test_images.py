"""What answers in a container's place."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.dataplane.pods.images import Done, Missing, Port, Run, StandIn, answer, short_name

HERE = {"sh", "sleep", "curl", "nslookup"}


def answered(image: str, *, init: bool = False, **fields: Any) -> object:
    return answer({"name": "c", "image": image, **fields}, HERE.__contains__, init=init)


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


def test_a_command_of_this_machine_runs_whatever_the_image() -> None:
    found = answered("redis", command=["sh", "-c"], args=["sleep 1"], ports=[{"containerPort": 1}])
    assert isinstance(found, Run)
    assert found.argv == ("sh", "-c", "sleep 1")


def test_args_run_when_the_image_has_no_entrypoint_or_is_its_program() -> None:
    busybox, curl = answered("busybox:1.36", args=["sleep", "9"]), answered("curlimages/curl", args=["-s", "http://x"])
    assert isinstance(busybox, Run)
    assert isinstance(curl, Run)
    assert busybox.argv == ("sleep", "9")
    assert curl.argv == ("curl", "-s", "http://x")
    assert isinstance(answered("myapp", args=["sh"]), StandIn)  # args of an entrypoint we do not have


def test_a_missing_program_is_answered_by_its_ports_or_waits_and_says_so() -> None:
    assert ports("redis", command=["redis-server"], ports=[{"containerPort": 6379}]) == [
        ("TCP", 6379, "echo", "stand-ins")
    ]
    missing = answered("worker", command=["celery", "-A", "x"])
    assert isinstance(missing, Missing)
    assert "celery is not on this machine" in missing.message
    assert isinstance(answered("migrate", command=["migrate"], init=True), Done)
    assert isinstance(answered("busybox", init=True), Done)


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


def test_the_table() -> None:
    assert ports("coredns/coredns:1.12")[:2] == [("UDP", 53, "dns", "dns"), ("TCP", 53, "dns", "dns")]
    assert ports("sealane/envoy", ports=[{"containerPort": 80}]) == []
    conformance = [("TCP", port, "conformance", "stand-ins") for port in (3000, 3001, 8443)]
    assert ports("gcr.io/k8s-staging-gateway-api/echo-basic:v1") == conformance
    assert ports("agnhost:2.53", args=["netexec", "--http-port=80", "--udp-port", "90"]) == [
        ("TCP", 80, "netexec", "stand-ins"),
        ("UDP", 90, "netexec", "stand-ins"),
    ]
    assert ports("agnhost", args=["serve-hostname"]) == [("TCP", 9376, "hostname", "stand-ins")]
    assert ports("agnhost", args=["pause"]) == []
    assert ports("pause:3.10", ports=[{"containerPort": 80}]) == []
    echo = answered("hashicorp/http-echo", args=["-text=hi there", "-listen=:8000"])
    assert isinstance(echo, StandIn)
    assert echo.ports == (Port("TCP", 8000, "http", "text", {"text": "hi there"}),)
