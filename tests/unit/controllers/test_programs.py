"""What programs in images would write."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.controllers.programs.making import Certificate, WantedBundle, WantedSecret, wanted
from sealane.kube.objects import Object

NAMESPACE = {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}


def made(image: str, *words: str, key: str = "containers", **variables: str) -> list[Any]:
    env = [NAMESPACE, *({"name": name, "value": value} for name, value in variables.items())]
    container = {"name": "c", "image": image, "args": list(words), "env": env}
    spec: dict[str, Any] = {"containers": [{"name": "other", "image": "nginx"}]}
    spec[key] = [*spec.get(key, ()), container]
    return wanted(Object({"kind": "Pod", "metadata": {"name": "p", "namespace": "x"}, "spec": spec}))


def names(service: str) -> tuple[str, ...]:
    return tuple(f"{service}{rest}" for rest in ("", ".x", ".x.svc", ".x.svc.cluster.local"))


def test_certgen_makes_a_secret_and_patches_webhooks() -> None:
    image = "registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.9@sha256:0"
    words = ("create", "--host=admission,admission.$(NS).svc", "--namespace=$(NS)", "--secret-name", "admission")
    assert made(image, *words) == [
        WantedSecret("x", "admission", Certificate(("admission", "admission.x.svc"), "cert", "key", "ca"))
    ]
    words = ("patch", "--webhook-name=admission", "--patch-mutating=false", "--patch-failure-policy=Fail")
    assert made(image, *words) == [WantedBundle("admission", mutating=False, validating=True, policy="Fail")]


@pytest.mark.parametrize(
    ("image", "words", "variables", "secrets"),
    [
        ("quay.io/metallb/controller:v0.15.2", (), {"METALLB_ML_SECRET_NAME": "memberlist"}, ["memberlist"]),
        ("ghcr.io/projectcontour/contour:v1.33.0", ("contour", "certgen", "--kube"), {}, ["contourcert", "envoycert"]),
        ("ghcr.io/projectcontour/contour:v1.33.0", ("contour", "serve"), {}, []),
        ("ghcr.io/kedacore/keda:2.18.0", ("--enable-cert-rotation=true",), {}, ["kedaorg-certs"]),
        ("ghcr.io/kedacore/keda:2.18.0", (), {}, []),
        ("quay.io/argoproj/argocd:v3.2.0", ("argocd", "admin", "redis-initial-password"), {}, ["argocd-redis"]),
        ("quay.io/argoproj/argocd:v3.2.0", ("/usr/local/bin/argocd-server",), {}, ["argocd-initial-admin-secret"]),
        ("crossplane/crossplane:v2.1.0", ("core", "init"), {"TLS_SERVER_SECRET_NAME": "server"}, ["server"]),
        ("example.com/controller:v1", (), {}, []),
    ],
)
def test_what_other_programs_make(
    image: str, words: tuple[str, ...], variables: dict[str, str], secrets: list[str]
) -> None:
    for key in ("containers", "initContainers"):
        assert [(each.namespace, each.name) for each in made(image, *words, key=key, **variables)] == [
            ("x", name) for name in secrets
        ]


def test_certificates_are_for_the_names_of_the_service() -> None:
    (secret,) = made("keda", "--enable-cert-rotation=true", "--operator-service-name=op")
    assert secret.certificate == Certificate(names("op"))
