"""Credential plugins: programs that a kubeconfig names, which print a user's token or certificate.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins and
https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sealane.kube.client.kubeconfig import Plugin
from sealane.kube.times import seconds

_INFO = "KUBERNETES_EXEC_INFO"
_EARLY = 10.0
"""Seconds before its end from which a credential is not used any more: a request takes time."""


class CredentialError(OSError):
    """The plugin gave no credential; the message says why."""


@dataclass(frozen=True, slots=True)
class Credential:
    """expires: seconds since the epoch; None when it does not say. certificate, key: PEM."""

    token: str = field(default="", repr=False)
    certificate: str = ""
    key: str = field(default="", repr=False)
    expires: float | None = None

    def fresh(self, now: float) -> bool:
        return self.expires is None or now < self.expires - _EARLY


class Credentials:
    """Runs `plugin` when a credential is needed, and keeps what it says until that expires. One event loop's."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._held: Credential | None = None
        self._running = asyncio.Lock()

    async def get(self) -> Credential:
        """Raises CredentialError."""
        async with self._running:
            if self._held is None or not self._held.fresh(time.time()):
                self._held = await run(self._plugin)
            return self._held

    def forget(self, refused: Credential) -> None:
        """The server did not take this one."""
        if self._held is refused:
            self._held = None


async def run(plugin: Plugin) -> Credential:
    """Raises CredentialError."""
    terminal = sys.stdin is not None and sys.stdin.isatty()
    if plugin.interactive == "Always" and not terminal:
        raise CredentialError("exec plugin cannot support interactive mode: standard input is not a terminal")
    interactive = terminal and plugin.interactive != "Never"
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.cluster is not None:
        spec["cluster"] = json.loads(plugin.cluster)
    info = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    env = {**os.environ, **dict(plugin.environment), _INFO: json.dumps(info)}
    program = plugin.command if "/" in plugin.command else shutil.which(plugin.command, path=env.get("PATH"))
    try:
        if program is None:
            raise FileNotFoundError
        process = await asyncio.create_subprocess_exec(
            program,
            *plugin.arguments,
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=env,
        )
    except FileNotFoundError:
        hint = f"; {plugin.hint}" if plugin.hint else ""
        raise CredentialError(f"getting credentials: exec: executable {plugin.command} not found{hint}") from None
    except OSError as error:
        raise CredentialError(f"getting credentials: exec: {plugin.command}: {error.strerror or error}") from None
    try:
        out, _ = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode:
        raise CredentialError(
            f"getting credentials: exec: executable {plugin.command} failed with exit code {process.returncode}"
        )
    return read(plugin, out)


def read(plugin: Plugin, out: bytes) -> Credential:
    """The credentials that a plugin wrote, an ExecCredential. Raises CredentialError."""
    try:
        found = json.loads(out)
        status: Mapping[str, Any] = found["status"]
        version = found.get("apiVersion")
        credential = Credential(
            str(status.get("token") or ""),
            str(status.get("clientCertificateData") or ""),
            str(status.get("clientKeyData") or ""),
            seconds(status["expirationTimestamp"]) if status.get("expirationTimestamp") else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CredentialError(f"getting credentials: exec: {plugin.command} wrote no ExecCredential") from None
    if version != plugin.api_version:
        raise CredentialError(
            f"getting credentials: exec plugin is configured to use API version {plugin.api_version}, "
            f"plugin returned version {version}"
        )
    if bool(credential.certificate) != bool(credential.key):
        raise CredentialError("getting credentials: exec plugin returned only certificate or key, not both")
    if not credential.token and not credential.certificate:
        raise CredentialError("getting credentials: exec plugin didn't return a token or cert/key pair")
    return credential
