"""The official CRDs of the Gateway API and of the network policy API, unchanged: they apply, are listed and act.

They come from Go's module proxy; without Go or the proxy there is nothing to test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from kubectl_play import Kubectl, Play, needs_kubectl

from sealane.apiserver.api import Api

pytestmark = needs_kubectl

GATEWAY_API = "sigs.k8s.io/gateway-api@v1.6.1"
POLICY_API = "sigs.k8s.io/network-policy-api@v0.1.1"
BUNDLE = "gateway.networking.k8s.io/bundle-version"
RESOURCE = "customresourcedefinition.apiextensions.k8s.io/"
GROUP = "gateway.networking.k8s.io"


def module(name: str) -> Path:
    """The folder of a Go module. Skips the test when it cannot be had."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go on the PATH: its module proxy has the official CRDs")
    try:
        found = subprocess.run(
            [go, "mod", "download", "-json", name],
            capture_output=True,
            timeout=120,
            cwd="/",
            env={**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off"},
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"the Go module proxy did not give {name} in time")
    if found.returncode:
        pytest.skip(f"the Go module proxy does not give {name}")
    return Path(json.loads(found.stdout)["Dir"])


@pytest.fixture(scope="module")
def gateway_crds() -> Path:
    return module(GATEWAY_API) / "config/crd/experimental"


@pytest.fixture(scope="module")
def policy_crds() -> Path:
    return module(POLICY_API) / "config/crd"


Test = Callable[[Kubectl, Api], Coroutine[Any, Any, None]]


def definitions(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*_*.yaml")) if "\nkind: CustomResourceDefinition" in path.read_text()]


def files(folder: Path) -> list[str]:
    return [argument for path in definitions(folder) for argument in ("-f", str(path))]


@pytest.mark.parametrize("version", ["v1.2.1", "v1.4.1"])
def test_older_ones_apply_over_those_of_the_start(play: Play, version: str) -> None:
    """Whole bundles bring their own: fewer versions of a kind, other fields."""
    folder = module(f"sigs.k8s.io/gateway-api@{version}") / "config/crd/experimental"

    async def test(kubectl: Kubectl, api: Api) -> None:
        await kubectl("apply", "--server-side", *files(folder))
        await kubectl("apply", "-f", "-", stdin=GATEWAY % ("v1", f"[{HTTP}]"))
        for crd in json.loads(await kubectl("get", "crds", "-o", "json"))["items"]:
            if crd["metadata"]["name"] in {path.stem.partition("_")[2] + "." + GROUP for path in definitions(folder)}:
                assert crd["metadata"]["annotations"][BUNDLE] == version

    play(test)


@pytest.mark.parametrize("how", [("--server-side",), ()])
def test_they_apply_unchanged_and_are_listed_with_their_version(
    play: Play, gateway_crds: Path, policy_crds: Path, how: tuple[str, ...]
) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        paths = definitions(gateway_crds)
        if not how:  # kubectl keeps what it applied in an annotation, and the API takes 256 KiB of those
            paths = [path for path in paths if "httproutes" not in path.name and "grpcroutes" not in path.name]
        arguments = [argument for path in (*paths, *definitions(policy_crds)) for argument in ("-f", str(path))]
        applied = await kubectl("apply", *how, *arguments)
        assert len(applied.splitlines()) == len(paths) + 2
        again = await kubectl("apply", *how, *[argument for path in paths for argument in ("-f", str(path))])
        assert all(line.endswith(("serverside-applied", "unchanged")) for line in again.splitlines())
        every = json.loads(await kubectl("get", "crds", "-o", "json"))["items"]
        found = [each for each in every if f"crd/{each['metadata']['name']}" in applied.replace(RESOURCE, "crd/")]
        assert len(found) == len(paths) + 2
        for crd in found:
            conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
            assert conditions["Established"] == conditions["NamesAccepted"] == "True"
            if crd["spec"]["group"] == GROUP:
                assert crd["metadata"]["annotations"][BUNDLE] == "v1.6.1"
        waited = await kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        assert waited.count("condition met") == len(every)

    play(test)


GATEWAY = """
apiVersion: gateway.networking.k8s.io/%s
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: c, listeners: %s}
"""
HTTP = "{name: a, port: 80, protocol: HTTP}"


def test_their_rules_act_and_their_versions_are_served(play: Play, gateway_crds: Path) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        await kubectl("apply", "-f", "-", stdin=GATEWAY % ("v1", f"[{HTTP}]"))  # of the time before the CRD
        await kubectl("apply", "--server-side", *files(gateway_crds))
        assert "g" in await kubectl("get", "gtw", "-o", "name")

        refused = await kubectl.refused("apply", "-f", "-", stdin=GATEWAY % ("v1", f"[{HTTP}, {HTTP}]"))
        assert 'The Gateway "g" is invalid' in refused
        assert 'spec.listeners[1]: Duplicate value: {"name":"a"}' in refused
        assert 'spec.listeners: Invalid value: "array": Listener name must be unique within the Gateway' in refused
        tls = "{name: a, port: 80, protocol: HTTP, tls: {mode: Terminate}}"
        refused = await kubectl.refused("apply", "-f", "-", stdin=GATEWAY % ("v1", f"[{tls}]"))
        assert "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']" in refused
        port = "{name: a, port: 99999, protocol: HTTP}"
        refused = await kubectl.refused("apply", "-f", "-", stdin=GATEWAY % ("v1", f"[{port}]"))
        assert "spec.listeners[0].port in body should be less than or equal to 65535" in refused

        await kubectl("apply", "-f", "-", stdin=GATEWAY % ("v1beta1", f"[{HTTP}]"))
        for version in ("v1", "v1beta1"):
            shown = json.loads(await kubectl("get", f"gateways.{version}.{GROUP}", "g", "-o", "json"))
            assert shown["apiVersion"] == f"{GROUP}/{version}"
            assert shown["spec"]["listeners"][0]["allowedRoutes"] == {"namespaces": {"from": "Same"}}
        old = await kubectl.answer("get", f"tlsroutes.v1alpha2.{GROUP}")
        assert "Warning: The v1alpha2 version of TLSRoute has been deprecated" in old.error
        grant = "{apiVersion: %s/%s, kind: ReferenceGrant, metadata: {name: r}, spec: {from: [%s], to: [%s]}}"
        source, target = (
            "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a}",
            '{group: "", kind: Service}',
        )
        for version in ("v1beta1", "v1"):
            await kubectl("apply", "-f", "-", stdin=grant % (GROUP, version, source, target))
        assert "listeners" in await kubectl("explain", "gateway.spec")

        assert "deleted" in await kubectl("delete", "crd", f"gateways.{GROUP}", "--timeout=60s")
        gone = (await kubectl.answer("get", "gtw")).error
        assert "could not find the requested resource" in gone or "doesn't have a resource type" in gone

    play(test)


def test_their_admission_policy_keeps_old_versions_out(play: Play, gateway_crds: Path) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        policy = gateway_crds.parent / "standard" / "gateway.networking.k8s.io_vap_safeupgrades.yaml"
        path = gateway_crds / "gateway.networking.k8s.io_referencegrants.yaml"
        await kubectl("apply", "-f", str(policy))
        await kubectl("apply", "-f", str(gateway_crds.parent / "standard" / path.name))
        refused = await kubectl.refused("apply", "-f", str(path))
        assert (
            "ValidatingAdmissionPolicy 'safe-upgrades.gateway.networking.k8s.io' with binding "
            "'safe-upgrades.gateway.networking.k8s.io' denied request: Installing experimental CRDs on top of standard"
        ) in refused
        old = (
            path.read_text()
            .replace("bundle-version: v1.6.1", "bundle-version: v1.0.0")
            .replace("experimental", "standard")
        )
        refused = await kubectl.refused("apply", "-f", "-", stdin=old)
        assert "denied request: Installing CRDs with version" in refused

    play(test)
