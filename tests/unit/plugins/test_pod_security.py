"""Pod security standards: which pods a namespace's labels refuse, and in which words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sealane.apiserver.admission.plugins.pod_security_standards import violations
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

GOOD: Raw = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESTRICTED = (
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost")'
)


def spec(context: Raw | None = None, **fields: object) -> Raw:
    container: Raw = {"name": "c", "image": "i:1"}
    if context is not None:
        container["securityContext"] = context
    return {"containers": [container], **fields}


def said(level: str, pod: Raw) -> str:
    return ", ".join(violations(level, {}, pod))


def test_restricted_wants_what_is_not_the_default() -> None:
    assert said("restricted", spec()) == RESTRICTED
    assert said("restricted", spec(GOOD)) == ""
    assert said("baseline", spec()) == ""
    shared = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
    assert said("restricted", spec(own, securityContext=shared)) == ""


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (spec(hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
        (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
        (
            spec({"privileged": True}),
            'privileged (container "c" must not set securityContext.privileged=true)',
        ),
        (
            spec({"capabilities": {"add": ["NET_ADMIN", "CHOWN"]}}),
            'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
        ),
        (
            {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]},
            'hostPort (container "c" uses hostPort 80)',
        ),
        (
            spec(securityContext={"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (spec(securityContext={"sysctls": [{"name": "kernel.msgmax"}]}), "forbidden sysctls (kernel.msgmax)"),
    ],
)
def test_what_baseline_does_not_allow(pod: Raw, why: str) -> None:
    assert said("baseline", pod) == why


def test_restricted_volumes_and_users() -> None:
    pod = spec(GOOD, volumes=[{"name": "v", "hostPath": {"path": "/"}}], securityContext={"runAsUser": 0})
    assert said("restricted", pod) == (
        'restricted volume types (volume "v" uses restricted volume type "hostPath"), '
        "runAsUser=0 (pod must not set runAsUser=0)"
    )


def test_labels_of_the_namespace_decide(tmp_path: Path) -> None:
    async def talk() -> None:
        store = Store.open(tmp_path / "store.db")
        api = start_api(store)
        label = "pod-security.kubernetes.io/"
        for name, labels in (
            ("strict", {f"{label}enforce": "restricted"}),
            ("told", {f"{label}warn": "restricted"}),
            ("free", {f"{label}enforce": "privileged"}),
        ):
            await api.create(kinds.NAMESPACE, "", {"metadata": {"name": name, "labels": labels}})
        pod = {"metadata": {"name": "p"}, "spec": spec()}
        with pytest.raises(ApiError) as refused:
            await api.create(kinds.POD, "strict", pod)
        assert (refused.value.code, refused.value.message) == (
            403,
            f'pods "p" is forbidden: violates PodSecurity "restricted:latest": {RESTRICTED}',
        )
        write = Write(warnings=[])
        await api.create(kinds.POD, "told", pod, write)
        assert write.warnings == [f'would violate PodSecurity "restricted:latest": {RESTRICTED}']
        template = {"metadata": {"labels": {"a": "b"}}, "spec": spec()}
        body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
        write = Write(warnings=[])
        await api.create(kinds.DEPLOYMENT, "told", body, write)
        assert len(write.warnings or ()) == 1
        await api.create(kinds.DEPLOYMENT, "strict", body)  # its pods will be refused
        await api.create(kinds.POD, "free", pod)
        store.close()

    asyncio.run(talk())
