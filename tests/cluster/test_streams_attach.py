"""Typing into containers, and their logs: kubectl in a terminal of its own."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from tests.cluster.terminal import terminal

from sealane.testing.cluster import Cluster, eventually, kubectl_path

pytestmark = pytest.mark.sealane(nodes=2)

SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
WEB = """
apiVersion: v1
kind: Service
metadata: {name: backend}
spec: {selector: {app: backend}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: backend, labels: {app: backend}}
spec: {containers: [{name: web, image: "web:1", ports: [{containerPort: 8080}]}]}
"""


@pytest.fixture(params=[{}, SPDY], ids=["websocket", "spdy"])
def form(request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(request.param)


def test_run_it_is_a_shell_in_the_pods_network(sealane: Cluster, form: dict[str, str]) -> None:
    sealane.apply(WEB)
    name = f"debug-{'spdy' if form else 'websocket'}"
    with terminal(sealane, form, "run", "-it", "--rm", name, "--image=busybox", "--restart=Never", "--", "sh") as shell:
        shell.until("If you don't see a command prompt|[#$] ")
        shell.type("PS1=; echo $((20+3))-ready\n")
        shell.until("23-ready")
        shell.type("hostname; curl -s http://backend/\n")
        shell.until('"pod": "backend"')
        assert re.search(rf"{name}\r\n", shell.seen)
        shell.resize(37, 91)
        shell.type("until [ \"$(stty size)\" = '37 91' ]; do sleep 0.1; done; echo size $((37*91))\n")
        shell.until("size 3367")
        shell.type("exit 5\n")
        assert shell.end() == 5
        assert f'pod "{name}" deleted' in shell.seen
    eventually(lambda: not sealane.kubectl("get", "pod", name).ok)


def test_run_it_of_a_command_shows_its_output(sealane: Cluster, form: dict[str, str]) -> None:
    sealane.apply(WEB)
    name = f"once-{'spdy' if form else 'websocket'}"
    options = ("--image=busybox", "--restart=Never", "--")
    with terminal(sealane, form, "run", "-it", "--rm", name, *options, "curl", "-s", "http://backend/x") as shell:
        shell.until('"path": "/x"')
        assert shell.end() == 0


def test_attach_types_into_what_runs_and_may_come_again(sealane: Cluster, form: dict[str, str]) -> None:
    name = f"cat-{'spdy' if form else 'websocket'}"
    script = f"while read x; do echo {name} $x; done"
    container = f"{{name: c, image: busybox, stdin: true, tty: true, command: [sh, -c, '{script}']}}"
    sealane.apply(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{container}]}}\n")
    for word in ("first", "second"):
        with terminal(sealane, form, "attach", "-it", name) as attached:
            attached.type(f"{word}\n")
            attached.until(f"{name} {word}")
    assert sealane.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}").check().out == "Running"
    said = sealane.kubectl("logs", name).check().out
    assert f"{name} first" in said
    assert f"{name} second" in said


def test_piped_input_ends_the_program_and_both_outputs_are_told_apart(sealane: Cluster, form: dict[str, str]) -> None:
    name = f"sum-{'spdy' if form else 'websocket'}"
    argv = [kubectl_path(), "run", "-i", "--rm", "-q", name, "--image=busybox", "--restart=Never", "--", "sh", "-c"]
    done = subprocess.run(
        [*argv, "wc -c; echo apart >&2"],
        input=b"x" * 300_000,
        capture_output=True,
        timeout=40,
        env={**os.environ, **form, "KUBECONFIG": sealane.kubeconfig},
    )
    assert done.returncode == 0, done
    assert done.stdout.split()[0] == b"300000"
    assert b"apart" in done.stderr


TALKER = """
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  terminationGracePeriodSeconds: 0
  initContainers: [{name: first, image: busybox, command: [sh, -c, echo began]}]
  containers:
  - {name: a, image: bash, command: [sh, -c, "echo one; sleep 2.2; echo two; printf th; sleep 1; echo ree; sleep 99"]}
  - name: b
    image: busybox
    command: [sh, -c, "echo other; test -e /data/x || { touch /data/x; exit 1; }; sleep 1000"]
    volumeMounts: [{name: d, mountPath: /data}]
  volumes: [{name: d, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: waiting}
spec: {containers: [{name: c, image: busybox, command: [sleep, '9'], envFrom: [{secretRef: {name: absent}}]}]}
"""


def test_logs_in_every_way(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=TALKER).check()
    sealane.kubectl("wait", "--for=condition=Ready", "pod/talker", "--timeout=30s").check()

    def logs(*arguments: str) -> str:
        return sealane.kubectl("logs", "talker", *arguments).check().out

    eventually(lambda: logs("-c", "a") == "one\ntwo\nthree\n")
    assert logs("-c", "first") == "began\n"
    assert logs("-c", "a", "--tail=2") == "two\nthree\n"
    assert logs("-c", "a", "--limit-bytes=5") == "one\nt"
    stamped = logs("-c", "a", "--timestamps").splitlines()
    assert [line.split()[1] for line in stamped] == ["one", "two", "three"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", line.split()[0]) for line in stamped)
    assert logs("-c", "a", f"--since-time={stamped[1].split('.')[0]}Z") == "two\nthree\n"
    assert logs("-c", "a", "--since=1h") == "one\ntwo\nthree\n"
    assert set(logs("--all-containers", "--prefix").splitlines()) == {
        "[pod/talker/first] began",
        "[pod/talker/a] one",
        "[pod/talker/a] two",
        "[pod/talker/a] three",
        "[pod/talker/b] other",
    }
    eventually(lambda: sealane.kubectl("logs", "talker", "-c", "b", "--previous").ok)
    assert logs("-c", "b", "--previous") == "other\n"
    argv = [kubectl_path(), "logs", "-f", "talker", "-c", "a"]
    with subprocess.Popen(
        argv, env={**os.environ, "KUBECONFIG": sealane.kubeconfig}, stdout=subprocess.PIPE
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == b"one\n"
        sealane.kubectl("delete", "pod", "talker", "--wait=false").check()
        assert following.stdout.read() == b"two\nthree\n"
        assert following.wait(20) == 0


def test_logs_that_are_not_there_in_kubernetes_words(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=TALKER).check()
    eventually(lambda: "CreateContainerConfigError" in sealane.kubectl("get", "pod", "waiting").check().out)

    def refused(*arguments: str) -> str:
        done = sealane.kubectl("logs", *arguments)
        assert not done.ok
        return done.err

    said = refused("waiting")
    waits = 'container "c" in pod "waiting" is waiting to start: CreateContainerConfigError'
    assert f"Error from server (BadRequest): {waits}" in said
    sealane.kubectl("wait", "--for=condition=Ready", "pod/talker", "--timeout=30s").check()
    said = refused("talker", "-c", "a", "--previous")
    assert 'Error from server (BadRequest): previous terminated container "a" in pod "talker" not found' in said
    assert "container nope is not valid for pod talker" in refused("talker", "-c", "nope")
    sealane.kubectl("delete", "pod", "talker", "waiting", "--wait=false").check()


def test_a_log_that_grows_is_begun_anew_and_followed_over_that(sealane: Cluster) -> None:
    script = "sleep 1; head -c 12000000 /dev/zero | tr '\\0' x | fold -w 1000; echo; echo the end; sleep 100"
    spec = '{"spec":{"terminationGracePeriodSeconds":0}}'
    words = ("run", "chatty", "--image=busybox", f"--overrides={spec}", "--command", "--", "sh", "-c", script)
    sealane.kubectl(*words).check()
    sealane.kubectl("wait", "--for=condition=Ready", "pod/chatty", "--timeout=30s").check()
    argv = [kubectl_path(), "logs", "-f", "chatty"]
    env = {**os.environ, "KUBECONFIG": sealane.kubeconfig}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        for line in following.stdout:
            if line == b"the end\n":
                break
        else:
            pytest.fail("the end was never seen")
        following.kill()
    assert len(sealane.kubectl("logs", "chatty").check().out) < 11 << 20
    sealane.kubectl("delete", "pod", "chatty", "--wait=false").check()
