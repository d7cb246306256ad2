"""exec, attach, port-forward and cp: real kubectls and the official Python client, through the API into pods."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from kubernetes import client, config
from kubernetes.stream import portforward, stream

from sealane.testing.cluster import Cluster, eventually

SHOP = Path(__file__).parents[2] / "examples/shop"
pytestmark = pytest.mark.sealane(SHOP, nodes=2)


def kubectls() -> list[str]:
    """Each kubectl of this machine: those of the environment and of the system may be of different ages."""
    found = (shutil.which("kubectl", path=path) for path in (str(Path(sys.executable).parent), os.defpath))
    return sorted({path for path in found if path} or {"kubectl"})


SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}


@pytest.fixture(
    params=[(path, form) for path in kubectls() for form in ("websocket", "spdy")], ids=lambda each: each[1]
)
def kubectl(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every kubectl, in both forms of its streams."""
    path, form = request.param
    if form == "spdy":
        for name, value in SPDY.items():
            monkeypatch.setenv(name, value)
    return str(path)


def run(
    sealane: Cluster, kubectl: str, *arguments: str, stdin: bytes = b"", seconds: float = 60
) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "KUBECONFIG": sealane.kubeconfig}
    return subprocess.run([kubectl, *arguments], input=stdin, capture_output=True, timeout=seconds, env=env)


def pod_of(sealane: Cluster, app: str) -> str:
    pods = sealane.get("pods", namespace="shop")["items"]
    return next(pod["metadata"]["name"] for pod in pods if pod["metadata"]["labels"].get("app") == app)


def test_exec_runs_in_the_pods_network(sealane: Cluster, kubectl: str) -> None:
    done = run(sealane, kubectl, "exec", "-n", "shop", "deploy/frontend", "--", "curl", "-s", "http://cart-service/")
    assert done.returncode == 0, done
    assert b'"pod": "cart-' in done.stdout


def test_exit_codes_and_both_outputs_come_through(sealane: Cluster, kubectl: str) -> None:
    script = "echo out; echo err >&2; exit 7"
    done = run(sealane, kubectl, "exec", "-n", "shop", "deploy/frontend", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (7, b"out\n")
    assert done.stderr.startswith(b"err\n")
    missing = run(sealane, kubectl, "exec", "-n", "shop", "deploy/frontend", "--", "no-such-program")
    assert missing.returncode != 0
    assert b"No such file or directory (no-such-program)" in missing.stderr


def test_stdin_ends_and_ten_megabytes_come_back_as_they_went(sealane: Cluster, kubectl: str) -> None:
    data = os.urandom(10 << 20)
    done = run(sealane, kubectl, "exec", "-i", "-n", "shop", "deploy/frontend", "--", "cat", stdin=data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data


def test_a_process_that_outlives_the_program_does_not_hold_the_stream(sealane: Cluster, kubectl: str) -> None:
    done = run(
        sealane, kubectl, "exec", "-n", "shop", "deploy/frontend", "--", "sh", "-c", "sleep 1000 & echo on", seconds=60
    )
    assert (done.returncode, done.stdout) == (0, b"on\n")


def test_a_client_that_goes_takes_its_program_with_it(sealane: Cluster, kubectl: str) -> None:
    sleeps = f"3141.{os.getpid()}"

    def still_there() -> bool:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended meanwhile
                if f"sleep\0{sleeps}".encode() in path.read_bytes():
                    return True
        return False

    env = {**os.environ, "KUBECONFIG": sealane.kubeconfig}
    argv = [kubectl, "exec", "-n", "shop", "deploy/frontend", "--", "sh", "-c", f"echo on; exec sleep {sleeps}"]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        eventually(still_there)
        process.kill()
    eventually(lambda: not still_there())


@pytest.mark.skipif(shutil.which("script") is None, reason="no script(1) here")
def test_a_terminal_has_the_size_of_ours(sealane: Cluster, kubectl: str) -> None:
    inside = "test -t 0 && test -t 1 && sleep 1 && stty size; exit 3"
    command = f"stty cols 91 rows 17; {shlex.quote(kubectl)} exec -it -n shop deploy/frontend -- sh -c '{inside}'"
    env = {**os.environ, "KUBECONFIG": sealane.kubeconfig}
    done = subprocess.run(["script", "-qec", command, "/dev/null"], input=b"", capture_output=True, timeout=60, env=env)
    assert b"17 91" in done.stdout, done
    assert done.returncode == 3


@pytest.mark.skipif(shutil.which("script") is None, reason="no script(1) here")
def test_control_c_ends_what_runs_in_the_terminal(sealane: Cluster, kubectl: str) -> None:
    command = f"{shlex.quote(kubectl)} exec -it -n shop deploy/frontend -- sh -c 'echo on; exec sleep 3141'"
    env = {**os.environ, "KUBECONFIG": sealane.kubeconfig}
    argv = ["script", "-qec", command, "/dev/null"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        while b"on" not in line:
            line = process.stdout.readline()
            assert line, "it ended before it said something"
        process.stdin.write(b"\x03")
        process.stdin.flush()
        assert process.wait(60) == 130


def test_files_are_copied_both_ways(sealane: Cluster, kubectl: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/data").write_bytes(os.urandom(300_000))
    pod = pod_of(sealane, "frontend")
    # Without root a pod's /root is read-only, and no user but the pod's root is there to own a file.
    folder, *options = ("/root",) if os.getuid() == 0 else ("/tmp", "--no-preserve")
    there = f"shop/{pod}:{folder}/{tmp_path.name}"
    to = run(sealane, kubectl, "cp", *options, str(tmp_path / "here"), there)
    assert to.returncode == 0, to.stderr
    back = run(sealane, kubectl, "cp", there, str(tmp_path / "back"))
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "back/data").read_bytes() == (tmp_path / "here/data").read_bytes()
    assert not Path(f"{folder}/{tmp_path.name}").exists()  # it went to the pod's own layer


@contextmanager
def forwarding(sealane: Cluster, kubectl: str, target: str, port: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    env = {**os.environ, "KUBECONFIG": sealane.kubeconfig}
    argv = [kubectl, "port-forward", "-n", "shop", "--address", "127.0.0.1", target, port]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"Forwarding from 127.0.0.1:(\d+)", line)
            assert found, line
            yield f"http://127.0.0.1:{found[1]}", process
        finally:
            process.send_signal(signal.SIGINT)


def test_a_forwarded_port_carries_many_connections_at_once(sealane: Cluster, kubectl: str) -> None:
    def fetch(number: int) -> str:
        with urlopen(f"{url}/items?{number}", timeout=60) as answer:
            return str(answer.read().decode())

    with forwarding(sealane, kubectl, "svc/cart-service", "0:80") as (url, _), ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(fetch, range(40)))
    for number, answer in enumerate(answers):
        assert '"pod": "cart-' in answer
        assert f"/items?{number}" in answer


def test_a_port_where_nobody_listens_is_told(sealane: Cluster, kubectl: str) -> None:
    with forwarding(sealane, kubectl, "deploy/frontend", "0:9") as (url, process):
        with pytest.raises(OSError):  # noqa: PT011 - whichever way the connection ends
            urlopen(url, timeout=5)
        assert process.stdout is not None
        said = ""
        while "Connection refused" not in said and (line := process.stdout.readline()):
            said += line
        assert "error forwarding port 9 to pod frontend-" in said


def test_run_shows_what_the_container_prints_and_ends_with_its_code(sealane: Cluster, kubectl: str) -> None:
    script = "sleep 1; echo hello; sleep 1; exit 4"
    options = ("--rm", "-i", "--restart=Never", "--image=busybox", "-n", "shop")
    done = run(sealane, kubectl, "run", f"once-{time.monotonic_ns()}", *options, "--command", "--", "sh", "-c", script)
    assert done.returncode == 4, done
    assert done.stdout.startswith(b"hello\n")


def test_what_cannot_be_is_refused_in_words(sealane: Cluster, kubectl: str) -> None:
    no_pod = run(sealane, kubectl, "exec", "-n", "shop", "no-such-pod", "--", "true")
    assert no_pod.returncode != 0
    assert b'pods "no-such-pod" not found' in no_pod.stderr
    no_container = run(sealane, kubectl, "exec", "-n", "shop", "deploy/frontend", "-c", "other", "--", "true")
    assert no_container.returncode != 0
    assert b"other" in no_container.stderr


def test_the_python_client(sealane: Cluster) -> None:
    api = client.CoreV1Api(config.new_client_from_config(sealane.kubeconfig))
    pod = pod_of(sealane, "frontend")
    both = {"stderr": True, "stdout": True, "tty": False}
    said = stream(
        api.connect_get_namespaced_pod_exec,
        pod,
        "shop",
        command=["sh", "-c", "echo a; echo b >&2"],
        stdin=False,
        **both,
    )
    assert sorted(said.split()) == ["a", "b"]
    command = ["sh", "-c", "read x; echo got $x; exit 5"]
    talk = stream(
        api.connect_get_namespaced_pod_exec, pod, "shop", command=command, stdin=True, _preload_content=False, **both
    )
    talk.write_stdin("this\n")
    talk.run_forever(timeout=60)
    assert talk.read_stdout(timeout=1) == "got this\n"
    assert talk.returncode == 5


def test_the_python_client_forwards_ports(sealane: Cluster) -> None:
    api = client.CoreV1Api(config.new_client_from_config(sealane.kubeconfig))
    forward = portforward(api.connect_get_namespaced_pod_portforward, pod_of(sealane, "cart"), "shop", ports="8080,9")
    connection = forward.socket(8080)
    connection.settimeout(10)
    connection.sendall(b"GET /items HTTP/1.0\r\nHost: cart\r\n\r\n")
    answer = b""
    while b'"pod": "cart-' not in answer:
        piece = connection.recv(4096)
        assert piece, answer
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    eventually(lambda: "Connection refused" in (forward.error(9) or ""))
