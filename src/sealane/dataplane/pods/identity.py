"""Who a container's programs are: user, groups and what they may gain. Pure.

Source: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/ and, for the words of refusals,
kubelet's verifyRunAsNonRoot (k8s.io/kubernetes/pkg/kubelet/kuberuntime/security_context.go).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sealane.kube.objects import Object, Raw
from sealane.network.standins import SYSTEMS, short_name

NONROOT = 65532
"""Who a program is that may not be root, when only its image says who: as in distroless images."""


class User(msgspec.Struct, frozen=True):
    """groups: supplementary ones. gains: the setuid bit and file capabilities count.

    mapped: in a user namespace of its own, in which it has these numbers: without root there are no others.
    """

    uid: int = 0
    gid: int = 0
    groups: list[int] = []
    gains: bool = True
    mapped: bool = False


class Refused(Exception):
    """The container may not run as who it would; in kubelet's words."""


def user_of(pod: Object, container: Raw, *, exists: Callable[[int, int], bool] = lambda uid, gid: True) -> User:
    """exists: whether this process can become a user with this uid and gid. Raises Refused."""
    of_pod: Raw = pod.spec.get("securityContext") or {}
    own: Raw = container.get("securityContext") or {}

    def chosen(field: str) -> Any:
        return own[field] if own.get(field) is not None else of_pod.get(field)

    uid, gid = chosen("runAsUser"), chosen("runAsGroup") or 0
    which = f'(pod: "{pod.name}_{pod.namespace}({pod.uid})", container: {container["name"]})'
    if chosen("runAsNonRoot"):
        if uid == 0:
            raise Refused(f"container's runAsUser breaks non-root policy {which}")
        if uid is None and short_name(container.get("image", "")) in SYSTEMS:
            raise Refused(f"container has runAsNonRoot and image will run as root {which}")
        uid = NONROOT if uid is None else uid
    groups = [*(of_pod.get("supplementalGroups") or ())]
    if of_pod.get("fsGroup") is not None:
        groups.append(of_pod["fsGroup"])
    privileged = bool(own.get("privileged"))
    user = User(
        uid or 0,
        gid,
        sorted(set(groups)),
        gains=privileged or own.get("allowPrivilegeEscalation") is not False,
    )
    if exists(user.uid, user.gid) and all(exists(0, group) for group in user.groups):
        return user
    return msgspec.structs.replace(user, groups=[], mapped=True)


def said(pod: Object, user: User) -> str:
    """What is not as asked for, for an Event; "" when nothing."""
    if not user.mapped:
        return ""
    of_pod: Raw = pod.spec.get("securityContext") or {}
    groups = [*(of_pod.get("supplementalGroups") or ()), *([of_pod["fsGroup"]] if "fsGroup" in of_pod else ())]
    more = f"; groups {', '.join(map(str, groups))} are not given, its volumes are its own" if groups else ""
    return (
        f"runs as user {user.uid} and group {user.gid} of a user namespace of its own, because without root this "
        f"cluster has no other users{more}"
    )
