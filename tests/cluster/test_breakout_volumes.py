"""No path in a manifest leads out of a volume: the host is the same before and after, byte by byte."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from hosts import Lab, lab_of, snapshot
from users import as_nobody

from sealane.testing.cluster import eventually

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becomes two users, which only root can")


@pytest.fixture(scope="module", params=["root", pytest.param("nobody", marks=as_nobody)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with lab_of(request.param) as found:
        found.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: data}, data: {k: from a pod}}").check()
        yield found


@pytest.fixture(autouse=True)
def _the_host_is_as_before(lab: Lab) -> Iterator[None]:
    before = snapshot(lab.host)
    yield
    assert snapshot(lab.host) == before


def _up(path: str) -> str:
    """`path` of the host as seen from deep inside the state folder."""
    return "../" * 20 + path.lstrip("/")


@pytest.mark.parametrize("way", ["absolute", "upward"])
@pytest.mark.parametrize("kind", ["configMap", "downwardAPI", "projected", "token"])
def test_files_of_volumes_stay_in_them(lab: Lab, kind: str, way: str) -> None:
    path = str(lab.host / "file") if way == "absolute" else _up(str(lab.host / "file"))
    items = [{"key": "k", "path": path, "mode": 0o4755}]
    volume = {
        "configMap": {"configMap": {"name": "data", "items": items}},
        "downwardAPI": {"downwardAPI": {"items": [{"path": path, "fieldRef": {"fieldPath": "metadata.name"}}]}},
        "projected": {"projected": {"sources": [{"configMap": {"name": "data", "items": items}}]}},
        "token": {"projected": {"sources": [{"serviceAccountToken": {"path": path}}]}},
    }[kind]
    with pytest.raises(AssertionError) as refused:
        lab.pod(
            "writer",
            {
                "containers": [{"command": ["true"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                "volumes": [{"name": "v", **volume}],
            },
        )
    assert ("must be a relative path" if way == "absolute" else "must not contain '..'") in str(refused.value)
    if kind in ("configMap", "projected"):
        assert "must be a number between 0 and 0777" in str(refused.value)


def test_a_link_in_a_volume_is_not_followed_by_subpath(lab: Lab) -> None:
    lab.pod(
        "linker",
        {
            "initContainers": [
                {
                    "command": ["ln", "-s", _up(str(lab.host)), "/e/out"],
                    "volumeMounts": [{"name": "e", "mountPath": "/e"}],
                }
            ],
            "containers": [
                {
                    "command": ["sh", "-c", "echo x > /host/new"],
                    "volumeMounts": [{"name": "e", "mountPath": "/host", "subPath": "out"}],
                }
            ],
            "volumes": [{"name": "e", "emptyDir": {}}],
        },
    )
    reason, message = lab.waits("linker")
    assert reason == "CreateContainerConfigError"
    assert 'failed to prepare subPath for volumeMount "e" of container "c0"' in message
    assert "leads out of the volume" in message


def test_a_link_in_a_volume_is_not_followed_below_a_mount_path(lab: Lab) -> None:
    """Neither for the mount point that a volume needs in another, nor for the target of a mount."""
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "f", "emptyDir": {}}]
    for name, link in (("absolute", str(lab.host)), ("upward", _up(str(lab.host)))):
        lab.pod(
            f"points-{name}",
            {
                "initContainers": [
                    {
                        "command": ["ln", "-s", link, "/e/out"],
                        "volumeMounts": [{"name": "e", "mountPath": "/e"}],
                    }
                ],
                "containers": [
                    {
                        "command": ["sh", "-c", "echo said > /e/out/a/b/c; cat /e/out/a/b/c"],
                        "volumeMounts": [
                            {"name": "e", "mountPath": "/e"},
                            {"name": "f", "mountPath": "/e/out/a/b"},
                            {"name": "f", "mountPath": f"/proc/self/root{lab.host}/new"},
                            {"name": "f", "mountPath": f"/.host{lab.host}/new"},
                        ],
                    }
                ],
                "volumes": volumes,
            },
        )
        if lab.is_root:
            assert lab.ended(f"points-{name}") == "said\n"  # in the container's own layer
        else:  # in a user namespace an overlay takes no new directories below what is root's
            assert lab.waits(f"points-{name}")[0] == "RunContainerError"


def test_subpath_and_its_expression_stay_in_the_volume(lab: Lab) -> None:
    for field, value in (("subPath", _up(str(lab.host))), ("subPathExpr", "../x"), ("subPath", "/x")):
        with pytest.raises(AssertionError, match=r"must not contain '\.\.'|must be a relative path"):
            lab.pod(
                "sub",
                {
                    "containers": [{"volumeMounts": [{"name": "e", "mountPath": "/e", field: value}]}],
                    "volumes": [{"name": "e", "emptyDir": {}}],
                },
            )
    env = [{"name": "WHERE", "value": _up(str(lab.host / "new"))}]
    lab.pod(
        "expression",
        {
            "containers": [
                {
                    "command": ["true"],
                    "env": env,
                    "volumeMounts": [{"name": "e", "mountPath": "/e", "subPathExpr": "$(WHERE)"}],
                }
            ],
            "volumes": [{"name": "e", "emptyDir": {}}],
        },
    )
    assert lab.waits("expression")[0] == "CreateContainerConfigError"


def test_subpath_gives_a_part_of_a_volume(lab: Lab) -> None:
    mounts = [
        {"name": "e", "mountPath": "/whole"},
        {"name": "e", "mountPath": "/part", "subPathExpr": "$(NAME)/logs"},
        {"name": "data", "mountPath": "/etc/one.conf", "subPath": "k"},
        {"name": "data", "mountPath": "/whole/inside"},
    ]
    script = "echo x > /part/f; cat /whole/mine/logs/f /etc/one.conf; ls /whole/inside; touch /etc/one.conf"
    lab.pod(
        "parts",
        {
            "containers": [
                {
                    "command": ["sh", "-c", f"exec 2>&1; {script}"],
                    "env": [{"name": "NAME", "value": "mine"}],
                    "volumeMounts": mounts,
                }
            ],
            "volumes": [{"name": "e", "emptyDir": {}}, {"name": "data", "configMap": {"name": "data"}}],
        },
    )
    found = lab.ended("parts")
    assert found.startswith("x\nfrom a podk\n")
    assert "Read-only file system" in found


def test_the_agent_makes_nothing_below_a_host_path(lab: Lab) -> None:
    lab.pod(
        "maker",
        {
            "containers": [
                {"command": ["true"], "volumeMounts": [{"name": "h", "mountPath": "/h", "subPath": "new/folder"}]}
            ],
            "volumes": [{"name": "h", "hostPath": {"path": str(lab.host)}}],
        },
    )
    assert lab.waits("maker")[0] == "CreateContainerConfigError"


def test_the_name_of_a_claim_is_no_path(lab: Lab) -> None:
    mode = lab.host.stat().st_mode
    lab.host.chmod(0o755)
    try:
        lab.pod(
            "claimer",
            {
                "nodeName": "node-1",  # the scheduler would wait for the claim
                "containers": [{"command": ["true"], "volumeMounts": [{"name": "p", "mountPath": "/p"}]}],
                "volumes": [{"name": "p", "persistentVolumeClaim": {"claimName": _up(str(lab.host))}}],
            },
        )
        assert "not found" in lab.waits("claimer")[1]
        assert lab.host.stat().st_mode & 0o777 == 0o755
    finally:
        lab.host.chmod(mode)


def test_host_paths_are_of_the_type_that_is_asked_for(lab: Lab) -> None:
    lab.pod(
        "typed",
        {
            "containers": [{"command": ["true"], "volumeMounts": [{"name": "h", "mountPath": "/h"}]}],
            "volumes": [{"name": "h", "hostPath": {"path": str(lab.host / "file"), "type": "Directory"}}],
        },
    )
    why = f'MountVolume.SetUp failed for volume "h" : hostPath type check failed: {lab.host}/file is not a directory'
    eventually(lambda: why in lab.kubectl("get", "events").check().out, seconds=20, every=0.2)
    state = lab.kubectl("get", "pod", "typed", "-o", "jsonpath={.status.containerStatuses[0].state}").check().out
    assert json.loads(state) == {"waiting": {"reason": "ContainerCreating"}}
