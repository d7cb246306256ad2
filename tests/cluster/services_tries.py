"""Tries on Services: packets, and the same from the model."""

from __future__ import annotations

from services_rows import NODE, Try
from services_world import Lab, predict

from sealane.kube import kinds
from sealane.testing.cluster import eventually

TRIES = 30
"""As many as it takes for both of two pods to answer: that one is never drawn happens once in 500 million times."""


def address_of(lab: Lab, name: str, to: str) -> str:
    match to:
        case "cluster" | "cluster6":
            return lab.cluster_ip(name, 6 if to == "cluster6" else 4)
        case "balancer":
            return str(eventually(lambda: lab.ingress(name))["ip"])
    return NODE.get(to, to)


def check(lab: Lab, name: str, each: Try) -> None:
    """The packets, eventually (the kernel follows the API by milliseconds), and the same from the model."""
    address = address_of(lab, name, each.to)
    eventually(lambda: observe(lab, each, address) or True)
    said = predict(lab.model(), each.where, address, each.port, each.protocol)
    if isinstance(each.answer, str):
        assert said.outcomes == (each.answer,), (each, said)
    else:
        assert said.outcomes == ("answered",), (each, said)
        assert said.who == each.answer, (each, said)
        found = observe(lab, each, address)
        assert found <= said.seen, (each, found, said)


def observe(lab: Lab, each: Try, address: str) -> set[str]:
    """Tries it often and judges the answers; the source addresses that were seen."""
    tries = 1 if isinstance(each.answer, str) else TRIES
    answers = lab.ask(each.where, address, each.port, each.protocol, count=tries, timeout=0.5 if tries == 1 else 3)
    outcomes = {answer["outcome"] for answer in answers}
    if isinstance(each.answer, str):
        assert outcomes == {each.answer}, (each, answers)
        return set()
    assert outcomes == {"answered"}, (each, answers)
    assert {answer["who"] for answer in answers} == each.answer, (each, answers)
    seen = {answer["seen"] for answer in answers if "seen" in answer}
    if each.seen == "node":
        nodes = ("172.18.1.", "10.244.1.1", "10.244.2.1", "fd00:172:18::1:", "fd00:10:244:1::1", "fd00:10:244:2::1")
        assert all(one in nodes or one.startswith(("172.18.1.", "fd00:172:18::1:")) for one in seen), (each, seen)
    elif each.seen == "own":
        assert seen <= {entry["ip"] for entry in lab.get(kinds.POD, each.where)["status"]["podIPs"]}, (each, seen)
    elif each.seen:
        assert seen <= {each.seen}, (each, seen)
    return seen
