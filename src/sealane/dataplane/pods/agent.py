"""The agent socket: programs in pods, programs outside, logs. Its callers are the command line and the API server.

A connection (Unix stream socket, mode 0600) carries one request: a JSON line, with the caller's stdin, stdout and
stderr as descriptors for those that start a program. No program of a pod is heard.

    {"op": "exec", "namespace", "pod", "container"?, "argv", "env"?, "cwd"?, "tty"?}   → {"exit": N}
    {"op": "run_outside", "argv", "env", "cwd", "tty"?}                              → {"exit": N}
    {"op": "attach", "namespace", "pod", "container"?, "stdin"?}                     → {"exit": 0} when it has ended
    {"op": "logs", "namespace", "pod", "container"?, "previous"?, …logfile.Query}    → {"ok": true}, then the bytes
    {"op": "probe", "probes": […]} (see `linux.probe`)                               → {"outcomes": […]}
    {"op": "usage"}                                              → {"window", "pods", "nodes"}, see `PodRuntime.usage`
    {"op": "connect", "namespace", "pod", "port"}            → {"ok": true} with a TCP connection to the pod's loopback
    any of them                                                                      → {"error": "what is wrong"}

While a program runs, {"signal": N} lines are sent on to it; when the caller goes away it gets SIGHUP, and SIGKILL a
second later. While a caller is attached, {"resize": [WIDTH, HEIGHT]} lines are for the container's terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec

from sealane.dataplane.linux import namespaces
from sealane.dataplane.linux.peers import is_neighbour
from sealane.dataplane.linux.probe import probe, requested
from sealane.dataplane.linux.topology import OUTSIDE_NAMESPACE
from sealane.dataplane.pods import identity
from sealane.dataplane.pods.agent_requests import (
    Attach,
    Connect,
    Exec,
    Logs,
    Probes,
    Refused,
    RunOutside,
    Usage,
    answer,
    close,
    read_request,
)
from sealane.dataplane.pods.container import Container
from sealane.dataplane.pods.files import MissingReference, outside_resolv_conf
from sealane.dataplane.pods.logfile import Query, Shown, begun_anew, read, start_of_tail
from sealane.dataplane.pods.logsource import Unavailable, log_of
from sealane.dataplane.pods.plans import containers_of, default_container
from sealane.dataplane.pods.runtime import PodRuntime
from sealane.dataplane.pods.shell import PodShell
from sealane.dataplane.pods.spawner import Launch
from sealane.dataplane.pods.spawning import Process, SpawnError
from sealane.dataplane.pods.stdio import Stdio
from sealane.dataplane.pods.surroundings import host_file
from sealane.dataplane.pods.volumes import Unusable
from sealane.kube.kinds import POD
from sealane.kube.objects import Key

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 0.1
CONNECT_SECONDS = 5.0
HANGUP_SECONDS = 1.0
"""How long a program whose caller is gone may take to end. Process 1 of a PID namespace does not even hear SIGHUP."""


class AgentSocket:
    """Serves `runtime` at `path`."""

    def __init__(self, runtime: PodRuntime, path: Path) -> None:
        self._runtime = runtime
        self._path = path
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serves until cancelled."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(mask)
        listener.listen(64)
        loop = asyncio.get_running_loop()
        try:
            while True:
                connection, _ = await loop.sock_accept(listener)
                if not is_neighbour(connection):
                    connection.close()
                    continue
                task = loop.create_task(self._serve(connection), name="agent request")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            self._path.unlink(missing_ok=True)

    async def _serve(self, connection: socket.socket) -> None:
        fds: list[int] = []
        try:
            request, fds = await read_request(connection)
            match request:
                case Exec():
                    code = await self._watch(connection, await self._exec(request, fds))
                    await answer(connection, {"exit": code})
                case RunOutside():
                    code = await self._watch(connection, await self._run_outside(request, fds))
                    await answer(connection, {"exit": code})
                case Logs():
                    await self._logs(connection, request)
                case Attach():
                    await self._attach(connection, request, fds)
                    await answer(connection, {"exit": 0})
                case Connect():
                    with await self._connect(request) as found:
                        said = msgspec.json.encode({"ok": True}) + b"\n"
                        socket.send_fds(connection, [said], [found.fileno()])
                case Usage():
                    await answer(connection, await self._runtime.usage())
                case Probes():
                    wanted = requested(self._runtime.around.run_dir, request.probes)
                    await answer(connection, {"outcomes": await asyncio.to_thread(probe, wanted)})
        except (
            Refused,
            Unavailable,
            SpawnError,
            MissingReference,
            Unusable,
            identity.Refused,
            msgspec.DecodeError,
        ) as error:
            with contextlib.suppress(OSError):
                await answer(connection, {"error": str(error)})
        except OSError as error:
            log.debug("agent socket: %s", error)
        except Exception as error:
            log.exception("agent socket")
            with contextlib.suppress(OSError):
                await answer(connection, {"error": f"internal error: {error}"})
        finally:
            for fd in fds:
                with contextlib.suppress(OSError):
                    os.close(fd)
            connection.close()

    def _shell(self, namespace: str, name: str) -> PodShell:
        shell = self._runtime.find(namespace, name)
        if shell is None:
            raise Refused(f"pod {namespace}/{name} does not run on a node of this cluster")
        return shell

    def _container(self, request: Exec | Attach) -> Container:
        container = self._shell(request.namespace, request.pod).container(request.container)
        if container is None:
            if request.container:
                raise Refused(f"pod {request.namespace}/{request.pod} has no running container {request.container!r}")
            raise Refused(f"pod {request.namespace}/{request.pod} is not running yet")
        return container

    async def _exec(self, request: Exec, fds: list[int]) -> Process:
        container = self._container(request)
        env = {"TERM": "xterm", **request.env} if request.tty else request.env
        process = await container.spawn(request.argv, _three(fds), env=env, cwd=request.cwd, terminal=request.tty)
        close(fds)
        return process

    async def _run_outside(self, request: RunOutside, fds: list[int]) -> Process:
        around = self._runtime.around
        net = namespaces.path_of(around.run_dir, OUTSIDE_NAMESPACE)
        resolver = ""
        if os.path.exists("/etc/resolv.conf"):
            path = around.run_dir / "outside-resolv.conf"
            path.write_text(outside_resolv_conf(around.dns_servers(), host_file("resolv.conf")))
            resolver = str(path)
        launch = Launch(
            0, request.argv, request.env, str(net), cwd=request.cwd, terminal=request.tty, resolver=resolver
        )
        process = await around.spawner.launch(launch, _three(fds))
        close(fds)
        return process

    async def _watch(self, connection: socket.socket, process: Process) -> int:
        """The exit code, passing signals on meanwhile."""
        listening = asyncio.get_running_loop().create_task(_forward(connection, process))
        try:
            return (await process.wait()).code
        finally:
            listening.cancel()

    async def _connect(self, request: Connect) -> socket.socket:
        """To the pod's loopback, IPv4 first, as container runtimes do for a kubelet."""
        shell = self._shell(request.namespace, request.pod)
        if shell.state is None or not shell.state.ips:
            raise Refused(f"pod {request.namespace}/{request.pod} has no network yet")
        if shell.state.dropped:
            raise Refused(f"pod {request.namespace}/{request.pod} has ended: it has no network any more")
        net = namespaces.path_of(self._runtime.around.run_dir, shell.network)
        loop = asyncio.get_running_loop()
        refused = ""
        for family, loopback in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            found = await asyncio.to_thread(namespaces.inside, net, partial(socket.socket, family))
            found.setblocking(False)
            try:
                await asyncio.wait_for(loop.sock_connect(found, (loopback, request.port)), CONNECT_SECONDS)
            except (OSError, TimeoutError) as error:
                found.close()
                why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "timed out"
                refused = refused or f"connecting to {loopback}:{request.port} inside the pod: {why}"
            except BaseException:
                found.close()
                raise
            else:
                return found
        raise Refused(refused)

    async def _attach(self, connection: socket.socket, request: Attach, fds: list[int]) -> None:
        """Until the container's program ends or the caller goes. Earlier output is in the log."""
        container = self._container(request)
        if container.stdio is None:
            await self._watch_stand_in(connection, request, container, fds)
            return
        if container.stdio.is_closed:
            where = f"{request.pod}_{request.namespace}"
            raise Refused(f"unable to upgrade connection: container {container.name} not found in pod {where}")
        stdin, stdout, stderr = _three(fds)
        fds.clear()
        attachment = container.stdio.attach((stdin, stdout, stderr), types=request.stdin)
        listening = asyncio.create_task(_listen(connection, container.stdio, attachment.ended.set))
        try:
            await attachment.ended.wait()
        finally:
            listening.cancel()
            attachment.close()

    async def _watch_stand_in(
        self, connection: socket.socket, request: Attach, container: Container, fds: list[int]
    ) -> None:
        shell = self._shell(request.namespace, request.pod)
        path = self._runtime.around.log_path(shell.uid, container.name)
        shown, output = Shown(Query()), _three(fds)[1]
        os.set_blocking(output, True)
        async for data in self._following(connection, path, start_of_tail(path, 0), lambda: self._runs(shell)):
            await asyncio.to_thread(os.write, output, shown.feed(data))

    async def _logs(self, connection: socket.socket, request: Logs) -> None:
        around, name = self._runtime.around, request.container
        shell = self._runtime.find(request.namespace, request.pod)
        pod = shell.pod if shell else around.sources.pods.get(Key("", POD.kind, request.namespace, request.pod))
        if pod is None:
            raise Refused(f"pod {request.namespace}/{request.pod} does not run on a node of this cluster")
        name = name or default_container(pod)
        if all(one["name"] != name for one in containers_of(pod)):
            raise Refused(f"pod {request.namespace}/{request.pod} has no container {name!r}")
        status = shell.status() if shell else pod.status
        which = log_of(status, request.pod, name, previous=request.previous)
        path = around.log_path(pod.uid, name, previous=which == "previous")
        await answer(connection, {"ok": True})
        loop = asyncio.get_running_loop()
        shown = Shown(request)
        run = shell.run_of(name) if shell else None
        goes_on = request.follow and which == "last" and run is not None

        def runs() -> bool:
            return goes_on and shell is not None and self._runs(shell) and shell.run_of(name) == run

        async for data in self._following(connection, path, start_of_tail(path, request.tail), runs):
            await loop.sock_sendall(connection, shown.feed(data))
            if shown.is_over:
                return

    def _runs(self, shell: PodShell) -> bool:
        return self._runtime.find(shell.pod.namespace, shell.pod.name) is shell

    async def _following(
        self, connection: socket.socket, path: Path, position: int, runs: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """The bytes of a file from `position` on and, while `runs`, those that come to it; until the caller goes."""
        over = False
        while True:
            while data := read(path, position):
                position += len(data)
                yield data
            if begun_anew(path, position):
                position = 0
                continue
            if over or _is_closed(connection):
                return
            over = not runs()
            if not over:
                await asyncio.sleep(FOLLOW_SECONDS)


async def _forward(connection: socket.socket, process: Process) -> None:
    loop = asyncio.get_running_loop()
    buffer = b""
    while True:
        try:
            data = await loop.sock_recv(connection, 4096)
        except OSError:
            data = b""
        if not data:
            process.send_signal(signal.SIGHUP, group=True)
            await asyncio.sleep(HANGUP_SECONDS)
            process.send_signal(signal.SIGKILL, group=True)
            return
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError):
                process.send_signal(int(msgspec.json.decode(line)["signal"]), group=True)


async def _listen(connection: socket.socket, stdio: Stdio, gone: Callable[[], None]) -> None:
    """To the caller who is attached: sizes of the terminal, until they go."""
    loop = asyncio.get_running_loop()
    buffer = b""
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(connection, 4096):
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError, ValueError):
                    width, height = msgspec.json.decode(line)["resize"]
                    stdio.resize(int(width), int(height))
    gone()


def _three(fds: list[int]) -> list[int]:
    if len(fds) != 3:
        raise Refused("stdin, stdout and stderr must come with the request")
    return fds


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
