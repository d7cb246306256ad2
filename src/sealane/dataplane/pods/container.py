"""One container's doings in the world: sockets handed to a server process, or a program started in its namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from sealane.dataplane.linux import capabilities, libc
from sealane.dataplane.pods import images, volumes
from sealane.dataplane.pods.answers import answers
from sealane.dataplane.pods.environment import environment, expand
from sealane.dataplane.pods.files import MissingReference, References, hostname, hosts_file, kernel_name, resolv_conf
from sealane.dataplane.pods.hidden import hidden
from sealane.dataplane.pods.identity import Refused, User, said, user_of
from sealane.dataplane.pods.logfile import Query, Shown, read, start_of_tail
from sealane.dataplane.pods.nodes import Node
from sealane.dataplane.pods.probes import Checker
from sealane.dataplane.pods.programs import is_of_image, lacks, not_run
from sealane.dataplane.pods.rootfs import Mount, RootPlan
from sealane.dataplane.pods.serving import Serving
from sealane.dataplane.pods.spawner import Launch
from sealane.dataplane.pods.spawning import Ended, Process, SpawnError
from sealane.dataplane.pods.standins.behaviours import Facts
from sealane.dataplane.pods.stdio import Stdio
from sealane.dataplane.pods.surroundings import Surroundings, host_file
from sealane.dataplane.pods.tokens import Token, Wanted
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object, Raw

log = logging.getLogger(__name__)

REFRESH_SECONDS = 10.0
"""Between two looks at tokens that were not to be had, and at least between two refreshments."""
EMPTY_SECONDS = 5.0
"""How long a stand-in waits for what it refers to: a program of its set may have been meant to make that."""
LAST_LINES = 20
"""Of a program that has ended: what it may have missed is said there."""
OUTPUT = 10_000  # bytes kept of what an exec probe prints
MESSAGE, FALLBACK, FALLBACK_LINES = 4096, 2048, 80
"""Bytes of a termination message, and bytes and lines of the log in its place."""


class CannotStart(Exception):
    """reason: of the container's waiting state. retry: seconds until it may be tried again, or None."""

    def __init__(self, reason: str, message: str, retry: float | None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry = retry


class Container:
    """raw: as in the pod's spec. net: path of the pod's network namespace. ips: the pod's.

    ports: what the stand-ins of the pod's containers listen on, by container; shared by them. lacking: which of them
    have shown that they need their image, and how; shared as well. beside(): a process whose PID namespace it enters,
    such as another container's, 0 for one of its own.
    """

    def __init__(
        self,
        around: Surroundings,
        node: Node,
        pod: Object,
        raw: Raw,
        net: Path,
        ips: tuple[str, ...],
        ports: dict[str, set[tuple[str, int]]],
        lacking: dict[str, str],
        *,
        beside: Callable[[], int] = lambda: 0,
    ) -> None:
        self._beside = beside
        self._around = around
        self._node = node
        self._pod = pod
        self._raw = raw
        self._net = net
        self._ips = ips
        self._lacking = lacking
        self.answer = self._answered()
        self._attempt = 0
        self._serving = Serving(self._id, self.name, around.giver, node.thread, net, ports)
        self._waiting_since = 0.0
        self.without: tuple[str, ...] = ()
        """What a stand-in has started without, because it did not come in time."""
        self._program = ""
        """The first word of its command, as it was run last."""
        self._process: Process | None = None
        self.stdio: Stdio | None = None
        """Of its program, when it is one."""
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return str(self._raw["name"])

    @property
    def _id(self) -> str:
        return f"{self._pod.uid}/{self.name}"

    @property
    def pid(self) -> int:
        """Of its first process, as seen from the host; 0 for a stand-in."""
        return self._process.pid if self._process is not None else 0

    @property
    def attempt(self) -> int:
        """Of its current or last run, the first being 0."""
        return self._attempt

    @property
    def is_stand_in(self) -> bool:
        return isinstance(self.answer, images.StandIn)

    @property
    def named_ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self._raw.get("ports") or () if port.get("name")}

    def _answered(self) -> images.Answer:
        around = self._around
        return answers(self._pod, around.services_in(self._pod.namespace), around.on_machine, self._lacking)[self.name]

    def _references(self, tokens: Mapping[Wanted, Token] | None = None) -> References:
        return self._around.references(self._pod, self._ips, self._node, tokens)

    def _environment(self) -> dict[str, str]:
        around = self._around
        return environment(self._raw, self._references(), around.services(self._pod.namespace), path=around.path)

    # Start

    async def start(self, attempt: int) -> None:
        """Raises CannotStart."""
        self._attempt = attempt
        try:
            self._user()
            match self.answer:
                case images.StandIn(ports, _, role):
                    await self._serve(ports, role)
                case images.Run(argv):
                    await self._run(argv)
                case images.Done():
                    pass
        except (MissingReference, volumes.Unusable) as error:
            if error.volume:
                raise CannotStart("FailedMount", _set_up(error.volume, error), 1.0) from None
            raise CannotStart("CreateContainerConfigError", str(error), 1.0) from None
        except Refused as error:
            raise CannotStart("CreateContainerConfigError", str(error), 1.0) from None
        except (SpawnError, OSError) as error:
            reason, found, _ = str(error).partition(f" ({self._program})")
            if found and str(error).endswith(found):
                if not is_of_image(self._raw, self._program):
                    raise CannotStart("StartError", not_run(self._program, reason), None) from None
                self.fall_back(str(error))
                await self.start(attempt)
                return
            raise CannotStart("RunContainerError", str(error), 10.0) from None

    def lacks(self, code: int) -> str:
        """Why its program, which has ended with `code`, needed its image; "" when it did not. See `programs.lacks`."""
        if not isinstance(self.answer, images.Run):
            return ""
        path = self._around.log_path(self._pod.uid, self.name)
        said = Shown(Query()).feed(read(path, start_of_tail(path, LAST_LINES)))[-FALLBACK:] if code else b""
        return lacks(self._raw, code, said.decode("utf-8", "replace"))

    def fall_back(self, why: str) -> None:
        """Its program needed its image, as it has shown: from now on it is answered in another way."""
        self._lacking[self.name] = why
        self.answer = self._answered()
        self._process = self.stdio = None

    async def _serve(self, ports: Sequence[images.Port], role: str = "") -> None:
        references, missing = self._references(), list[MissingReference]()
        if self._raw.get("volumeMounts"):
            missing += volumes.missing(self._raw, references)
        variables: dict[str, str] = {}
        if self._raw.get("env") or self._raw.get("envFrom"):
            variables = environment(self._raw, references, self._around.services(self._pod.namespace), missing)
        if missing and not self._waited_for(EMPTY_SECONDS):
            raise missing[0]
        self.without = tuple(dict.fromkeys(map(str, missing)))
        facts = Facts(
            namespace=self._pod.namespace,
            pod=self._pod.name,
            node=self._node.name,
            ips=list(self._ips),
            container=self.name,
            hostname=hostname(self._pod),
            log=str(self._around.log_path(self._pod.uid, self.name)),
            env=variables,
            network=self._net.name,
            certificate="".join(
                self._mounted(variables.get(name, ""), references)
                for name in ("TLS_SERVER_CERT", "TLS_SERVER_PRIVKEY", "TLS_SERVER_PRIV_KEY")
            ),
            clients=self._mounted(variables.get("TLS_CLIENT_CACERTS", ""), references),
        )
        await self._serving.start(ports, role, facts)

    def _mounted(self, path: str, references: References) -> str:
        """What is at a path below one of its volumes, "" for nothing."""
        found = volumes.content(self._raw, references, path) if path else None
        return f"{found.decode('utf-8', 'replace')}\n" if found else ""

    def _waited_for(self, seconds: float) -> bool:
        """Whether it is that long since it was to start."""
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        return now - self._waiting_since >= seconds

    async def listen_more(self) -> list[images.Port]:
        """A stand-in that serves listens on the ports that Services have come to name since: those."""
        answer = self._answered() if self.is_stand_in else None
        return await self._serving.add(answer.ports) if isinstance(answer, images.StandIn) else []

    async def _run(self, argv: Sequence[str]) -> None:
        variables = self._environment()
        log = self._around.log_path(self._pod.uid, self.name)
        if self._attempt and log.exists():
            os.replace(log, self._around.log_path(self._pod.uid, self.name, previous=True))
        if self._raw.get("tty"):
            variables = {"TERM": "xterm", **variables}
        words = [expand(word, variables) for word in argv]
        self._program = words[0]
        launch = await self._launch(words, variables, fresh=True)
        if others := self._beside():
            launch = msgspec.structs.replace(launch, beside=others)
        raw = self._raw
        stdin, once, tty = (bool(raw.get(name)) for name in ("stdin", "stdinOnce", "tty"))
        ephemeral = any(one["name"] == self.name for one in self._pod.spec.get("ephemeralContainers") or ())
        stdio = Stdio(log, stdin=stdin, once=once, tty=tty, ephemeral=ephemeral)
        try:
            self._process = await self._around.spawner.launch(launch, stdio.theirs)
        except BaseException:
            stdio.started()
            stdio.close()
            raise
        stdio.started()
        self.stdio = stdio

    async def _launch(self, argv: Sequence[str], variables: Mapping[str, str], *, fresh: bool = False) -> Launch:
        folder = self._around.pod_dir(self._pod.uid)
        tokens = await self._tokens()
        hide = hidden(self._around.hide)
        mounts = volumes.prepare(
            self._raw,
            self._references(tokens),
            folder / "volumes",
            self._around.run_dir / "claims",
            variables=variables,
            hidden=hide,
            group=_group(self._pod),
        )
        if fresh:
            self._words.parent.mkdir(parents=True, exist_ok=True)
            self._words.write_bytes(b"")
            self._words.chmod(0o666)
            path = self._raw.get("terminationMessagePath") or "/dev/termination-log"
            mounts.append(Mount(str(self._words), path))
        if tokens and self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh(folder / "volumes"), name=f"tokens of {self._id}")
        user = self._user()
        if user.uid and all(one["name"] != "HOME" for one in self._raw.get("env") or ()):
            variables = {**variables, "HOME": "/"}
        return Launch(
            0,
            list(argv),
            dict(variables),
            str(self._net),
            root=RootPlan(
                str(folder / "containers" / f"{self.name}-{self._attempt}"),
                {
                    "/etc/resolv.conf": resolv_conf(self._pod, self._around.dns_servers(), host_file("resolv.conf")),
                    "/etc/hosts": hosts_file(self._pod, self._ips, host_file("hosts")),
                    "/etc/hostname": kernel_name(self._pod) + "\n",
                },
                mounts,
                hide,
                list(self._around.show),
                self._is_privileged,
                self._around.allow_host,
                bool((self._raw.get("securityContext") or {}).get("readOnlyRootFilesystem")),
            ),
            container=self._id,
            fresh=fresh,
            cwd=self._raw.get("workingDir") or "/",
            terminal=fresh and bool(self._raw.get("tty")),
            hostname=self._node.name if self._pod.spec.get("hostNetwork") else kernel_name(self._pod),
            capabilities=self._capabilities()[0],
            user=user,
        )

    @property
    def _is_privileged(self) -> bool:
        return bool((self._raw.get("securityContext") or {}).get("privileged"))

    def _capabilities(self) -> tuple[list[int] | None, list[str]]:
        """The capabilities of its programs (None: all), and the names of those that it asks for in vain."""
        if self._is_privileged and self._around.allow_host:
            return None, []
        wanted: Raw = (self._raw.get("securityContext") or {}).get("capabilities") or {}
        add = ["ALL"] if self._is_privileged else wanted.get("add") or ()
        asked = capabilities.numbers(add, wanted.get("drop") or ())
        return (asked, []) if self._around.allow_host else capabilities.contained(asked)

    def _user(self) -> User:
        """Raises Refused."""
        return user_of(self._pod, self._raw, exists=_exists)

    def remarks(self) -> list[str]:
        """What of a program is not as its manifest asks, and why, in sentences for Events."""
        if not isinstance(self.answer, images.Run):
            return []
        try:
            text = said(self._pod, self._user())
        except Refused:
            return []  # it does not start
        refused = self._capabilities()[1]
        found = [f"Container {self.name} {text}"] if text else []
        if self._is_privileged and refused:
            found.append(
                f"Container {self.name} is privileged within its namespaces only: no mounts, no devices, and settings "
                f"below /proc/sys are its own copy but for net (sealane up --allow-host gives it this machine)"
            )
        elif refused:
            found.append(
                f"Container {self.name} does not get the capabilities {', '.join(refused)}: they reach beyond a pod "
                f"(sealane up --allow-host gives them)"
            )
        return found

    async def _tokens(self) -> Mapping[Wanted, Token]:
        """The tokens of the pod's ServiceAccount that it mounts. Raises MissingReference while the API gives none."""
        try:
            return await self._around.tokens.of(self._pod, self._raw)
        except (ApiError, OSError) as error:
            account = self._pod.spec.get("serviceAccountName")
            raise MissingReference(f'no token of service account "{account}": {error}') from None

    async def _refresh(self, folder: Path) -> None:
        """Replaces the tokens in its files before they expire, until cancelled."""
        while True:
            try:
                tokens = await self._tokens()
                volumes.refresh(self._raw, self._references(tokens), folder)
                await asyncio.sleep(max(REFRESH_SECONDS, min(token.due for token in tokens.values()) - time.time()))
            except (MissingReference, OSError) as error:
                log.warning("%s: %s", self._id, error)
                await asyncio.sleep(REFRESH_SECONDS)

    def _end_refreshing(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            self._refreshing = None

    # Life

    @property
    def _words(self) -> Path:
        return self._around.pod_dir(self._pod.uid) / "termination" / f"{self.name}-{self._attempt}"

    def last_words(self, code: int) -> str:
        """The message that its program left about its end.

        https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
        """
        said = read(self._words, 0)[:MESSAGE].decode("utf-8", "replace")
        if said or not code or self._raw.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return said
        path = self._around.log_path(self._pod.uid, self.name)
        return (
            Shown(Query()).feed(read(path, start_of_tail(path, FALLBACK_LINES)))[-FALLBACK:].decode("utf-8", "replace")
        )

    async def ended(self) -> Ended:
        """Returns when the program has ended; never for a stand-in; at once for what is taken as done."""
        if self._process is not None:
            ended = await self._process.wait()
            if self.stdio is not None:
                await self.stdio.drained()
                self.stdio.close()
            self._end_refreshing()
            return ended
        if isinstance(self.answer, images.Done):
            return Ended(0, 0)
        await asyncio.Event().wait()
        raise AssertionError

    def drain(self) -> None:
        """Answers of stand-ins say from now on that their connection ends."""
        self._serving.drain()

    async def linger(self, grace: float) -> None:
        """A stand-in of a pod that is being deleted goes on for a moment."""
        await self._serving.linger(grace)

    async def stop(self, grace: float) -> None:
        """Ends it within `grace` seconds."""
        self._end_refreshing()
        if self._process is not None:
            began = time.monotonic()
            if grace > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.hook("preStop"), grace)
            await self._process.stop(max(0.0, grace - (time.monotonic() - began)))
            return
        self._serving.stop()

    # Hooks, checks and programs beside it

    @property
    def checker(self) -> Checker:
        return Checker(self._node.thread, self._ips[0], self.named_ports, self.execute)

    async def hook(self, name: str) -> str:
        """Runs the postStart or preStop hook, if there is one: what went wrong, or "".

        https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
        """
        hook: Raw = (self._raw.get("lifecycle") or {}).get(name) or {}
        if "sleep" in hook:
            await asyncio.sleep(float(hook["sleep"].get("seconds") or 0))
        try:
            ok, message = await self.checker.check(hook)
        except (OSError, EOFError) as error:
            ok, message = False, str(error)
        return "" if ok else f"{name} hook failed: {message}"

    async def spawn(
        self,
        argv: Sequence[str],
        stdio: Sequence[int],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "",
        terminal: bool = False,
    ) -> Process:
        """A further program in the container's namespaces. Raises SpawnError, MissingReference."""
        variables = {**_owners(), **self._environment(), **(env or {})}
        launch = await self._launch(argv, variables)
        if isinstance(self.answer, images.Run):
            if self._process is None:
                raise SpawnError(f"container {self.name} does not run")
            launch = msgspec.structs.replace(launch, join=self._process.pid)
        launch = msgspec.structs.replace(launch, terminal=terminal, cwd=cwd or launch.cwd)
        return await self._around.spawner.launch(launch, stdio)

    async def execute(self, argv: Sequence[str]) -> tuple[int, str]:
        """Runs an exec probe or hook: exit code and output.

        Where no program of the image runs, its checks have nothing to look at and succeed, whatever is installed on
        this machine; with strict probes they run on the files of this machine.
        """
        if not isinstance(self.answer, images.Run) and not self._around.strict_probes:
            return 0, ""
        with tempfile.TemporaryFile() as output, open(os.devnull, "rb") as nothing:
            try:
                process = await self.spawn(argv, (nothing.fileno(), output.fileno(), output.fileno()))
            except (SpawnError, volumes.Unusable, Refused) as error:
                return 127, str(error)
            try:
                ended = await process.wait()
            except asyncio.CancelledError:
                process.send_signal(9, group=True)
                raise
            output.seek(0)
            text = output.read(OUTPUT).decode("utf-8", "replace")
        return ended.code, text


def _set_up(volume: str, error: Exception) -> str:
    """In kubelet's words."""
    return f'MountVolume.SetUp failed for volume "{volume}" : {error}'


@lru_cache(maxsize=256)
def _exists(uid: int, gid: int) -> bool:
    """Whether a program here can have this user and this group, and other groups than them.

    Asked once: the node agent stays in its user namespace, and /proc is slow while namespaces are made.
    """
    return libc.id_exists(uid, "uid") and libc.id_exists(gid, "gid") and (not gid or libc.may_set_groups())


@cache
def _owners() -> Mapping[str, str]:
    """Variables where files cannot be given to others: what unpacks them, such as kubectl cp, fails when it tries."""
    return {} if libc.id_exists(1, "uid") else {"TAR_OPTIONS": "--no-same-owner"}


def _group(pod: Object) -> int | None:
    """The fsGroup, where this process can give files to it."""
    group = (pod.spec.get("securityContext") or {}).get("fsGroup")
    return group if group is not None and libc.id_exists(group, "gid") else None
