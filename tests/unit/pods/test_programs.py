"""Programs that are missing: the image's, or a mistake that fails as in Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.dataplane.pods.programs import is_of_image, lacks, not_run

MOUNTS = [{"mountPath": "/plugins/"}, {"mountPath": "/work/data"}]


def container(image: str = "debian:13", **fields: Any) -> dict[str, Any]:
    return {"name": "c", "image": image, "volumeMounts": MOUNTS, **fields}


@pytest.mark.parametrize("missing", ["nc", "apk", "/bin/busybox", "docker-entrypoint.sh", "/app/server", "bin/serve"])
def test_what_a_system_is_meant_to_have_is_its_images(missing: str) -> None:
    assert is_of_image(container(), missing)


@pytest.mark.parametrize("missing", ["slepp", "/bin/slepp", "/usr/bin/slepp", "/plugins/run.sh", "/tmp/x", "data/run"])
def test_what_no_system_has_and_what_a_volume_should_hold_is_a_mistake(missing: str) -> None:
    assert not is_of_image(container(workingDir="/work"), missing)


def test_everything_is_in_an_image_that_is_no_system_and_nothing_in_the_hosts_own_files() -> None:
    assert is_of_image(container("example.com/app"), "slepp")
    assert is_of_image(container("quay.io/calico/node:v3.31.0"), "calico-node")
    assert not is_of_image(container("docker.io/library/node:24"), "calico-node")
    assert not is_of_image(container("sealane/host"), "/app/server")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (127, "sh: 1: exec: /app/server: not found"),
        (127, "sh: /app/server: not found"),
        (127, "bash: line 1: /app/server: No such file or directory"),
        (127, "bash: line 1: apk: command not found"),
        (127, "sh: 1: apk: not found"),
        (127, "timeout: failed to run command 'nc': No such file or directory"),
        (126, "sh: 1: /app/server: Permission denied"),
        (1, "cp: cannot stat '/opt/plugins/a.jar': No such file or directory"),
        (1, "cp: can't stat '/flannel': No such file or directory"),
        (2, "tar: /opt/app: Cannot stat: No such file or directory"),
        (2, "python: can't open file '/app/main.py': [Errno 2] No such file or directory"),
        (2, "sh: 0: cannot open /app/run.sh: No such file"),
        (1, "Error: Cannot find module '/app/server.js'\n  code: 'MODULE_NOT_FOUND'\n}\nNode.js v20.19.2"),
        (2, "sh: 1: cd: can't cd to /app"),
    ],
)
def test_a_run_that_needed_its_image(code: int, said: str) -> None:
    assert lacks(container(), code, f"begun\n{said}\n")
    assert not lacks(container(stdin=True), code, said)  # somebody has typed that


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "sh: nothing: not found"),
        (126, ""),
        (127, ""),
        (127, "sh: 1: slepp: not found"),
        (127, "sh: slepp: not found"),
        (127, "bash: line 1: slepp: command not found"),
        (127, "sh: 1: /plugins/run.sh: not found"),
        (126, "sh: 1: /plugins/run.sh: Permission denied"),
        (1, "it has failed"),
        (1, "cat: /etc/confg/settings: No such file or directory"),
        (2, "sh: 1: cannot open /etc/confg/settings: No such file"),
        (1, "cp: cannot create regular file '/uot/x': No such file or directory"),
        (1, "cp: cannot stat '/plugins/a.jar': No such file or directory"),
        (1, "cp: cannot stat '/tmp/a': No such file or directory"),
        (1, "cp: cannot stat 'data/a': No such file or directory"),
        (1, "Error: Cannot find module 'express'"),
        (137, ""),
    ],
)
def test_a_run_that_failed_of_itself(code: int, said: str) -> None:
    assert not lacks(container(workingDir="/work"), code, said)


def test_what_did_not_start_is_said_in_kubelets_words() -> None:
    assert not_run("slepp", "No such file or directory").endswith(
        'container init: exec: "slepp": executable file not found in $PATH'
    )
    assert not_run("/x/y", "No such file or directory").endswith(': exec: "/x/y": stat /x/y: no such file or directory')
    assert not_run("/x/y", "Permission denied").endswith('exec: "/x/y": permission denied')
