"""kubeconfig files: the address of a cluster and the credentials of its user.

Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_HOME = Path("~/.kube/config")
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(ValueError):
    """The kubeconfig cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """user.exec of a kubeconfig. cluster: the cluster's data for the plugin, None when it gets none.

    interactive: "Never", "IfAvailable" or "Always" may it use the terminal.
    """

    command: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    api_version: str = _VERSIONS[0]
    interactive: str = "IfAvailable"
    hint: str = ""
    cluster: str | None = None  # as JSON


@dataclass(frozen=True, slots=True)
class Access:
    """One context of a kubeconfig. PEM texts are inline, whatever the file held; "" where it says nothing.

    proxy: http:// or https://. plugin: the program that gives the credentials. impersonation: headers of requests.
    """

    server: str
    namespace: str = "default"
    ca: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy: str = ""
    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)
    plugin: Plugin | None = None
    impersonation: tuple[tuple[str, str], ...] = ()

    def ssl_context(self, certificate: str = "", key: str = "") -> ssl.SSLContext | None:
        """None for an http:// server. certificate, key: of the client, in place of the kubeconfig's."""
        if not self.server.startswith("https:"):
            return None
        context = ssl.create_default_context(cadata=self.ca or None)
        # Python 3.13 began to refuse certificates without key identifiers. Go, and so kubectl, takes them (RFC 5280
        # says who must write them, not that a client must refuse): any kubeconfig that kubectl can use works here.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = certificate or self.client_certificate, key or self.client_key
        if certificate:
            # OpenSSL reads certificate chains from files only.
            with tempfile.NamedTemporaryFile("w", prefix="sealane-", suffix=".pem") as file:
                file.write(certificate + "\n" + key)
                file.flush()
                context.load_cert_chain(file.name)
        return context

    def authorization(self) -> str:
        """The Authorization header; "" when a client certificate (or nothing) speaks for the user."""
        token = Path(self.token_file).read_text().strip() if self.token_file else self.token
        if token:
            return f"Bearer {token}"
        if self.username:
            return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return ""


def load(path: str | Path | None = None, context: str | None = None) -> Access:
    """The access that `context` (default: current-context) of the kubeconfig describes.

    path None: the files of $KUBECONFIG, else ~/.kube/config, else what a pod finds (`in_cluster`); of several files,
    the first to name a thing wins. Raises KubeconfigError, or OSError when a file cannot be read.
    """
    if path is None and not context and not os.environ.get("KUBECONFIG") and not _HOME.expanduser().exists():
        inside = in_cluster()
        if inside is not None:
            return inside
    merged = _merge(_files(path))
    where = str(path or os.environ.get("KUBECONFIG") or "~/.kube/config")
    name = context or merged["current-context"]
    if not name:
        raise KubeconfigError(f"{where}: no current-context; name one of: {_names(merged['contexts'])}")
    chosen = _entry(merged, "contexts", "context", name, where)
    cluster = _entry(merged, "clusters", "cluster", str(chosen.get("cluster") or ""), where)
    user = _entry(merged, "users", "user", str(chosen["user"]), where) if chosen.get("user") else {}
    if not cluster.get("server"):
        raise KubeconfigError(f"{where}: cluster {chosen.get('cluster')!r} has no server")
    if "auth-provider" in user:
        raise KubeconfigError(
            f"{where}: user {chosen['user']!r} needs an auth-provider, which clients have not had since Kubernetes "
            "1.26; give it a credential plugin (exec) or a token, e.g. from: kubectl create token NAME"
        )
    proxy = str(cluster.get("proxy-url") or "")
    if proxy and not proxy.startswith(("http://", "https://")):
        raise KubeconfigError(f"{where}: proxy-url {proxy!r}: only http:// and https:// proxies can be used")
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        namespace=str(chosen.get("namespace") or "default"),
        ca=_pem(cluster, "certificate-authority", where),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        proxy=proxy,
        token=str(user.get("token") or ""),
        token_file=_beside(user, "tokenFile") if user.get("tokenFile") else "",
        username=str(user.get("username") or ""),
        password=str(user.get("password") or ""),
        client_certificate=_pem(user, "client-certificate", where),
        client_key=_pem(user, "client-key", where),
        plugin=_plugin(user, cluster, where),
        impersonation=tuple(_impersonation(user)),
    )


def in_cluster(environment: Mapping[str, str] = os.environ, folder: Path = _ACCOUNT) -> Access | None:
    """The access that a pod has by its ServiceAccount; None outside of pods.

    Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    token = folder / "token"
    if not host or not port or not token.exists():
        return None
    namespace, ca = folder / "namespace", folder / "ca.crt"
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        ca=ca.read_text() if ca.exists() else "",
        token_file=str(token),
    )


def _plugin(user: Mapping[str, Any], cluster: Mapping[str, Any], where: str) -> Plugin | None:
    """user.exec. Raises KubeconfigError."""
    raw = user.get("exec")
    if not raw:
        return None
    version, command = str(raw.get("apiVersion") or ""), str(raw.get("command") or "")
    if version not in _VERSIONS:
        raise KubeconfigError(f"{where}: exec: apiVersion {version!r}: expected one of {', '.join(_VERSIONS)}")
    if not command:
        raise KubeconfigError(f"{where}: exec: no command")
    interactive = raw.get("interactiveMode") or ("" if version == _VERSIONS[0] else "IfAvailable")
    if interactive not in ("Never", "IfAvailable", "Always"):
        raise KubeconfigError(f"{where}: exec: interactiveMode must be Never, IfAvailable or Always")
    told = None
    if raw.get("provideClusterInfo"):
        names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
        shown = {name: cluster[name] for name in names if cluster.get(name)}
        if cluster.get("certificate-authority") and "certificate-authority-data" not in shown:
            shown["certificate-authority-data"] = _data(_pem(cluster, "certificate-authority", where))
        told = json.dumps(shown)
    return Plugin(
        _beside({**raw, "": user[""]}, "command") if "/" in command else command,
        tuple(str(each) for each in raw.get("args") or ()),
        tuple((str(each["name"]), str(each.get("value", ""))) for each in raw.get("env") or ()),
        version,
        interactive,
        " ".join(str(raw.get("installHint") or "").split()),
        told,
    )


def _impersonation(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Headers for the user's `as`, `as-uid`, `as-groups` and `as-user-extra`."""
    if user.get("as"):
        yield "Impersonate-User", str(user["as"])
    if user.get("as-uid"):
        yield "Impersonate-Uid", str(user["as-uid"])
    for group in user.get("as-groups") or ():
        yield "Impersonate-Group", str(group)
    for key, values in (user.get("as-user-extra") or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{quote(str(key), safe='')}", str(value)


def render(access: Access, name: str) -> str:
    """A kubeconfig of one context called `name`, everything inline."""
    cluster: dict[str, Any] = {"server": access.server}
    if access.ca:
        cluster["certificate-authority-data"] = _data(access.ca)
    if access.insecure:
        cluster["insecure-skip-tls-verify"] = True
    if access.tls_server_name:
        cluster["tls-server-name"] = access.tls_server_name
    user: dict[str, Any] = {}
    if access.token:
        user["token"] = access.token
    if access.client_certificate:
        user["client-certificate-data"] = _data(access.client_certificate)
        user["client-key-data"] = _data(access.client_key)
    if access.username:
        user |= {"username": access.username, "password": access.password}
    context = {"cluster": name, "user": name, "namespace": access.namespace}
    import yaml  # not small, and a start need not wait for it

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": context}],
        },
        sort_keys=False,
    )


def write(path: str | Path, access: Access, name: str) -> None:
    """Writes `render(access, name)` at `path`, readable by its owner only, in one step (rename)."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(render(access, name))
    os.replace(beside, path)


def _files(path: str | Path | None) -> list[Path]:
    if path is not None:
        return [Path(path)]
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if not listed:
        return [Path.home() / ".kube" / "config"]
    # kubectl passes over files that do not exist, as long as one does.
    return [each for each in listed if each.exists()] or listed[:1]


def _merge(files: list[Path]) -> dict[str, Any]:
    import yaml

    merged: dict[str, Any] = {"current-context": "", "clusters": {}, "users": {}, "contexts": {}}
    for file in files:
        try:
            read = yaml.load(file.read_text(), yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise KubeconfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(read, dict):
            raise KubeconfigError(f"{file}: not a kubeconfig")
        merged["current-context"] = merged["current-context"] or read.get("current-context") or ""
        for section in ("clusters", "users", "contexts"):
            for entry in read.get(section) or ():
                body = entry.get(section[:-1]) or {}
                merged[section].setdefault(entry.get("name"), {**body, "": str(file.parent)})
    return merged


def _names(section: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(str, section))) or "none"


def _entry(merged: Mapping[str, Any], section: str, singular: str, name: str, where: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = merged[section].get(name)
    if found is None:
        raise KubeconfigError(f"{where}: no {singular} {name!r}; there is: {_names(merged[section])}")
    return found


def _beside(entry: Mapping[str, Any], key: str) -> str:
    """A path of the kubeconfig: relative ones are relative to the file that holds them."""
    return os.path.join(entry[""], str(entry[key]))


def _pem(entry: Mapping[str, Any], key: str, where: str) -> str:
    """The text of `key`-data (which wins) or of the file that `key` names."""
    if entry.get(f"{key}-data"):
        try:
            return base64.b64decode(entry[f"{key}-data"]).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise KubeconfigError(f"{where}: {key}-data is not base64 of PEM") from None
    return Path(_beside(entry, key)).read_text() if entry.get(key) else ""


def _data(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
