"""Images that are run, images that are answered by stand-ins, and how a pod's status says it. Pure.

Images are not pulled, so a program can be run only where its image holds what this machine holds as well. Callers that
must know an echo from a real server, such as the caller of a webhook, ask here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealane.kube.objects import Raw

IMAGE_ID, STAND_IN_ID = "sealane://", "sealane-stand-in://"
"""What `imageID` of a container's status begins with: of a program of this machine, and of a stand-in."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SYSTEMS = _words(
    "busybox alpine debian ubuntu centos fedora rockylinux almalinux amazonlinux oraclelinux archlinux leap ubi ubi8"
    " ubi9 ubi-minimal minideb os-shell bitnami-shell bash netshoot dnsutils jessie-dnsutils network-multitool toolbox"
)
"""Images that hold what this machine holds: a shell and the usual programs."""
TOOLS = _words("curl kubectl jq wget python perl ruby node php")
"""Images that are one program, which may be here, and what runs it."""
KNOWN = _words("pause coredns k8s-dns-node-cache echo-basic echo-advanced agnhost http-echo")
"""Images whose behaviour is known: in their place something listens where they do, and nowhere else."""
PROXY = "sealane/envoy"
"""The image of the pods in which the cluster's Envoy listens."""
HOST = "sealane/host"
"""The name of this machine's own files, for a manifest that means to run something that is here."""


def short_name(image: str) -> str:
    """ "registry.k8s.io/e2e-test-images/agnhost:2.53" → "agnhost"."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def runs_programs(image: str) -> bool:
    """Whether commands of a container of this image run, as far as their programs are here."""
    return short_name(image) in SYSTEMS | TOOLS or image.startswith(HOST)


def echoes(image: str) -> bool:
    """Whether an echo answers in the place of an image, on every port that the manifest speaks of."""
    return not runs_programs(image) and short_name(image) not in KNOWN and image.partition(":")[0] != PROXY


def is_stand_in(spec: Mapping[str, Any], status: Mapping[str, Any], port: int | str | None = None) -> bool:
    """Whether a stand-in answers in a pod, or will in one of a template. port: who declares it is asked, else anybody.

    status: of the pod; empty for a template's.
    """
    containers: list[Raw] = list(spec.get("containers") or ())
    ids = {each["name"]: str(each.get("imageID") or "") for each in status.get("containerStatuses") or ()}
    serving = [each for each in containers if port is not None and _declares(each, port)] or containers
    return any(
        ids.get(each["name"], "").startswith(STAND_IN_ID) or not runs_programs(each.get("image") or "")
        for each in serving
    )


def _declares(container: Raw, port: int | str) -> bool:
    return any(port in (each.get("name"), each.get("containerPort")) for each in container.get("ports") or ())
