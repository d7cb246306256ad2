"""runAsUser, runAsGroup, fsGroup, supplementalGroups and runAsNonRoot, in clusters of root and of an ordinary user."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hosts import Lab, lab_of
from users import as_nobody

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becomes two users, which only root can")


@pytest.fixture(scope="module", params=["root", pytest.param("nobody", marks=as_nobody)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with lab_of(request.param) as found:
        found.apply("{apiVersion: v1, kind: Secret, metadata: {name: key}, stringData: {k: secret}}").check()
        yield found


def container(script: str, **fields: Any) -> dict[str, Any]:
    mounts = [{"name": "e", "mountPath": "/e"}, {"name": "s", "mountPath": "/s"}]
    return {"command": ["sh", "-c", f"exec 2>&1\n{script}"], "volumeMounts": mounts, **fields}


VOLUMES = [{"name": "e", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "key", "defaultMode": 0o400}}]
WHO = """
id -u; id -g; id -G
grep CapEff /proc/self/status | cut -f2
touch /e/mine && stat -c %u /e/mine
cat /s/k && echo || echo unreadable
echo $HOME
touch /etc/mine && echo written
echo on stdout > /dev/stdout
"""


def test_the_container_says_who_runs_and_else_the_pod(lab: Lab) -> None:
    context = {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000, "supplementalGroups": [4000]}
    two = container("id -u; id -g", securityContext={"runAsUser": 1001, "runAsGroup": 3001})
    lab.pod(
        "who", {"securityContext": context, "initContainers": [two], "containers": [container(WHO)], "volumes": VOLUMES}
    )
    uid, gid, groups, capabilities, owner, secret, *rest = lab.ended("who").splitlines()
    assert (uid, gid, owner, secret) == ("1000", "3000", "1000", "secret")
    assert int(capabilities, 16) == 0
    assert rest[-1] == "on stdout"
    assert "/" in rest
    assert not lab.is_root or "written" not in rest
    assert lab.kubectl("logs", "who", "-c", "i0").check().out.split() == ["1001", "3001"]
    events = lab.kubectl("events", "--for", "pod/who").check().out
    if lab.is_root:
        assert groups.split() == ["3000", "2000", "4000"]
        assert "Contained" not in events
    else:
        assert "groups 4000, 2000 are not given, its volumes are its own" in events


def test_files_of_volumes_have_the_group_of_the_pod(lab: Lab) -> None:
    if not lab.is_root:
        pytest.skip("without root there are no other groups")
    script = "stat -c '%g %A' /e /s/k; touch /e/new; stat -c %g /e/new"
    lab.pod("group", {"securityContext": {"fsGroup": 2000}, "containers": [container(script)], "volumes": VOLUMES})
    assert lab.ended("group").splitlines() == ["2000 drwxrwsrwx", "2000 -r--r-----", "2000"]


def test_a_secret_that_only_root_may_read_is_not_read_by_others(lab: Lab) -> None:
    if not lab.is_root:
        pytest.skip("without root all files are the user's own")
    lab.pod(
        "other",
        {"containers": [container("cat /s/k", securityContext={"runAsUser": 1000})], "volumes": VOLUMES},
    )
    assert "Permission denied" in lab.ended("other")


def test_exec_is_the_same_user(lab: Lab) -> None:
    context = {"runAsUser": 1000, "runAsGroup": 3000}
    lab.pod("runs", {"containers": [{"command": ["sleep", "600"], "securityContext": context}]})
    lab.kubectl("wait", "--for=condition=Ready", "pod/runs").check()
    assert lab.shell("runs", "id -u; id -g; kill -0 1 && echo same").split() == ["1000", "3000", "same"]
    assert lab.kubectl("exec", "runs", "--", "id", "-u").check().out.strip() == "1000"


def test_a_file_of_another_user_is_copied_in(lab: Lab) -> None:
    lab.pod("takes", {"containers": [{"command": ["sleep", "600"]}]})
    lab.kubectl("wait", "--for=condition=Ready", "pod/takes").check()
    file = Path(tempfile.mkdtemp(dir="/tmp")) / "file"
    try:
        file.write_text("of somebody\n")
        file.parent.chmod(0o755)
        os.chown(file, 1234, 1234)
        lab.kubectl("cp", str(file), "takes:/tmp/file").check()
    finally:
        shutil.rmtree(file.parent)
    owner = "1234" if lab.is_root else "0"
    assert lab.shell("takes", "cat /tmp/file; stat -c %u /tmp/file").split() == ["of", "somebody", owner]


def test_who_may_not_be_root_does_not_start_as_root(lab: Lab) -> None:
    for name, context, why in (
        ("zero", {"runAsNonRoot": True, "runAsUser": 0}, "container's runAsUser breaks non-root policy"),
        ("image", {"runAsNonRoot": True}, "container has runAsNonRoot and image will run as root"),
    ):
        lab.pod(name, {"securityContext": context, "containers": [{"command": ["true"]}]})
        reason, message = lab.waits(name)
        assert reason == "CreateContainerConfigError"
        assert message.startswith(f'{why} (pod: "{name}_default(')
    context = {"runAsNonRoot": True}
    lab.pod(
        "unknown",
        {"securityContext": context, "containers": [container("id -u", image="sealane/host")], "volumes": VOLUMES},
    )
    assert lab.ended("unknown").strip() == "65532"


def test_nothing_is_gained_where_that_is_refused(lab: Lab) -> None:
    script = "grep NoNewPrivs /proc/self/status | cut -f2"
    context = {"allowPrivilegeEscalation": False, "runAsUser": 1000}
    lab.pod("gains", {"containers": [container(script, securityContext=context)], "volumes": VOLUMES})
    assert lab.ended("gains").strip() == "1"


def test_port_80_is_for_everybody(lab: Lab) -> None:
    listen = "import socket; socket.create_server(('', 80)); print('listens')"
    program = {"command": ["/usr/bin/python3", "-c", listen], "securityContext": {"runAsUser": 1000}}
    lab.pod("low", {"containers": [program]})
    assert lab.ended("low") == "listens\n"


def test_a_root_file_system_that_is_read_only_is_not_written(lab: Lab) -> None:
    places = "/etc/mine /mine /tmp/mine /run/mine /usr/mine /e/mine /dev/shm/mine /tmp/e/mine"
    script = (
        f"for each in {places}; do (echo x > $each) 2> /dev/null && echo $each; done; echo x > /dev/null && echo ended"
    )
    made = container(script, securityContext={"readOnlyRootFilesystem": True})
    made["volumeMounts"] = [*made["volumeMounts"], {"name": "e", "mountPath": "/tmp/e"}]
    lab.pod("fixed", {"containers": [made], "volumes": VOLUMES})
    assert lab.ended("fixed").split() == ["/e/mine", "/dev/shm/mine", "/tmp/e/mine", "ended"]
