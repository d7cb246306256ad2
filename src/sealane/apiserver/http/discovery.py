"""Discovery: which groups, versions and resources there are, in both forms that clients ask for, and the version.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api (KEP-3352 for the aggregated form)
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from sealane.apiserver.http import reviews
from sealane.apiserver.pods import metrics
from sealane.apiserver.registry.resources import Resources, Served
from sealane.kube.kinds import version_order
from sealane.kube.objects import Raw

VERSION: Raw = {
    "major": "1",
    "minor": "34",
    "emulationMajor": "1",
    "emulationMinor": "34",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "33",
    "gitVersion": "v1.34.0+sealane",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": f"{platform.python_implementation()} {platform.python_version()}",
    "platform": f"linux/{platform.machine()}",
}

_PROTO_OPENAPI = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""With an @ before v1.0 in what old clients ask for; no media type may have one."""

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_CHANGES = ["get", "patch", "update"]

SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}
SUBRESOURCE_VERBS = {
    "log": ["get"],
    "exec": ["create", "get"],
    "attach": ["create", "get"],
    "portforward": ["create", "get"],
    "binding": ["create"],
    "eviction": ["create"],
    "proxy": ["create", "delete", "get", "patch", "update"],
    "token": ["create"],
    "finalize": ["update"],
}


class Documents:
    """The documents of one API, made when first asked for after its resources change."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._version = -1
        self._made: dict[tuple[str, str], tuple[str, bytes]] = {}

    def get(self, request: web.BaseRequest) -> web.Response | None:
        """The answer to a path that is about no resource; None when there is nothing at that path."""
        if self._version != self._resources.version:
            self._made.clear()
            self._version = self._resources.version
        path = request.path.rstrip("/")
        accept = request.headers.get("Accept", "")
        form = "aggregated" if "g=apidiscovery.k8s.io" in accept and path in ("/api", "/apis") else ""
        if form and "v=v2;" not in accept + ";":
            form = "v2beta1"
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if path == "/openapi/v2" and accept and "json" not in accept and "*/*" not in accept:
            if _PROTO_OPENAPI not in accept.replace("@", "."):
                return web.Response(status=406, text="application/json and protobuf are served")
            form = "protobuf"
        made = self._made.get((path, form))
        if made is None:
            document = self._make(path, form)
            if document is None:
                return None
            media = "application/json"
            if form == "protobuf":
                from sealane.apiserver.http.openapi import gnostic

                made = (_PROTO_OPENAPI, gnostic.encode(document))
            else:
                version = "v2" if form == "aggregated" else form
                media += f";g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" if form else ""
                made = (media, msgspec.json.encode(document))
            self._made[(path, form)] = made
        return web.Response(body=made[1], headers={"Content-Type": made[0], "Vary": "Accept"})

    def _make(self, path: str, form: str) -> Raw | None:
        if path == "/version":
            return VERSION
        if path == "/api":
            return self._aggregated(core=True, form=form) if form else _api_versions()
        if path == "/apis":
            return self._aggregated(core=False, form=form) if form else self._groups()
        if path.startswith("/openapi/"):
            from sealane.apiserver.http.openapi.documents import document  # few clients ask for these

            return document(path, self._resources)
        if path in ("", "/index.html"):
            return {"paths": ["/api", "/api/v1", "/apis", *(f"/apis/{name}" for name in self._versions() if name)]}
        parts = path.strip("/").split("/")
        versions = self._versions()
        if parts[0] == "api" and len(parts) == 2 and parts[1] in versions[""]:
            return self._resource_list("", parts[1])
        if parts[0] == "apis" and len(parts) == 2 and parts[1] in versions:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], versions[parts[1]])}
        if parts[0] == "apis" and len(parts) == 3 and parts[2] in versions.get(parts[1], ()):
            return self._resource_list(parts[1], parts[2])
        return None

    def _versions(self) -> dict[str, list[str]]:
        """Group → its versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for served in self._resources.all():
            versions = found.setdefault(served.kind.group, [])
            if served.kind.version not in versions:
                versions.append(served.kind.version)
        found[metrics.GROUP] = [metrics.NODES.version]
        for group, version, _ in reviews.KINDS:
            if version not in found.setdefault(group, []):
                found[group].append(version)
        return {group: sorted(versions, key=version_order) for group, versions in found.items()}

    def _of(self, group: str, version: str) -> Iterable[Served]:
        return (s for s in self._resources.all() if s.kind.group == group and s.kind.version == version)

    def _groups(self) -> Raw:
        groups = [_group(name, versions) for name, versions in self._versions().items() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def _resource_list(self, group: str, version: str) -> Raw:
        resources: list[Raw] = []
        for served in self._of(group, version):
            kind = served.kind
            resources.append(
                {
                    "name": kind.plural,
                    "singularName": served.singular or kind.singular,
                    "namespaced": kind.namespaced,
                    "kind": kind.kind,
                    "verbs": VERBS,
                    **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
                    **({"categories": list(kind.categories)} if kind.categories else {}),
                }
            )
            for name in kind.subresources:
                entry: Raw = {
                    "name": f"{kind.plural}/{name}",
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    "kind": f"{kind.kind}ProxyOptions"
                    if name == "proxy"
                    else SUBRESOURCE_KINDS.get(name, ("", "", kind.kind))[2],
                    "verbs": SUBRESOURCE_VERBS.get(name, _CHANGES),
                }
                if name in SUBRESOURCE_KINDS:
                    entry |= {"group": SUBRESOURCE_KINDS[name][0], "version": SUBRESOURCE_KINDS[name][1]}
                resources.append(entry)
        for kind in (metrics.NODES, metrics.PODS):
            if (kind.group, kind.version) == (group, version):
                entry = {"name": kind.plural, "singularName": "", "namespaced": kind.namespaced, "kind": kind.kind}
                resources.append({**entry, "verbs": ["get", "list"]})
        for (review_group, review_version, plural), kind_name in reviews.KINDS.items():
            if (review_group, review_version) == (group, version):
                resources.append(
                    {
                        "name": plural,
                        "singularName": kind_name.lower(),
                        "namespaced": plural in reviews.NAMESPACED,
                        "kind": kind_name,
                        "verbs": ["create"],
                    }
                )
        group_version = f"{group}/{version}" if group else version
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": resources,
        }

    def _aggregated(self, core: bool, form: str) -> Raw:
        version = "v2" if form == "aggregated" else "v2beta1"
        items = [
            {
                "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
                "versions": [
                    {"version": each, "resources": self._aggregated_resources(group, each), "freshness": "Current"}
                    for each in versions
                ],
            }
            for group, versions in self._versions().items()
            if (group == "") is core
        ]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }

    def _aggregated_resources(self, group: str, version: str) -> list[Raw]:
        found: dict[str, Raw] = {}
        for entry in self._resource_list(group, version)["resources"]:
            plural, _, subresource = entry["name"].partition("/")
            response = {
                "group": entry.get("group", group),
                "version": entry.get("version", version),
                "kind": entry["kind"],
            }
            if subresource:
                found[plural].setdefault("subresources", []).append(
                    {"subresource": subresource, "responseKind": response, "verbs": entry["verbs"]}
                )
                continue
            found[plural] = {
                "resource": plural,
                "responseKind": response,
                "scope": "Namespaced" if entry["namespaced"] else "Cluster",
                "singularResource": entry["singularName"],
                "verbs": entry["verbs"],
                **{key: entry[key] for key in ("shortNames", "categories") if key in entry},
            }
        return list(found.values())


def _group(name: str, versions: list[str]) -> Raw:
    entries: list[dict[str, Any]] = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _api_versions() -> Raw:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [],
    }
