"""kubectl against the real server over HTTPS: what people type, and the words they get back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kubectl_play import Answer, Kubectl, Play, needs_kubectl
from tests.unit.apiserver.serving import credentials

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.kube import kinds

pytestmark = needs_kubectl

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
"""
WIDGET = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {size: 2}}"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
CONFIG = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {k: %s}}"


def test_apply_tells_created_configured_and_unchanged(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        assert await kubectl("apply", "-f", "-", stdin=CONFIG % "a") == "configmap/c created"
        assert await kubectl("apply", "-f", "-", stdin=CONFIG % "a") == "configmap/c unchanged"
        assert await kubectl("apply", "-f", "-", stdin=CONFIG % "b") == "configmap/c configured"
        assert (await kubectl.answer("diff", "-f", "-", stdin=CONFIG % "b")).code == 0
        different = await kubectl.answer("diff", "-f", "-", stdin=CONFIG % "x")
        assert different.code == 1
        assert "+  k: x" in different.out
        dry = await kubectl("apply", "--dry-run=server", "-f", "-", stdin=CONFIG % "x")
        assert dry == "configmap/c configured (server dry run)"
        assert await kubectl("get", "cm", "c", "-o", "jsonpath={.data.k}") == "b"

    play(test)


def test_server_side_apply_names_the_conflict_and_takes_fields_when_forced(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        async def apply(replicas: int, manager: str, *flags: str) -> Answer:
            arguments = ("apply", "--server-side", f"--field-manager={manager}", *flags, "-f", "-")
            return await kubectl.answer(*arguments, stdin=DEPLOYMENT % replicas)

        made = await apply(2, "alice")
        assert made.out == "deployment.apps/web serverside-applied", made.error
        refused = await apply(3, "bob")
        assert refused.code == 1
        assert 'Apply failed with 1 conflict: conflict with "alice": .spec.replicas' in refused.error
        assert (await apply(3, "bob", "--force-conflicts")).code == 0
        assert await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "3"
        shown = await kubectl("get", "deploy", "web", "--show-managed-fields", "-o", "jsonpath={..manager}")
        assert shown == "alice bob"
        await kubectl("scale", "deploy", "web", "--replicas=5")
        assert "conflict with" in (await apply(3, "bob")).error

    play(test)


def test_custom_kinds_are_served_waited_for_shown_and_scaled(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        await kubectl("apply", "-f", "-", stdin=DEFINITION)
        await kubectl("wait", "--for=condition=established", "crd/widgets.example.com", "--timeout=60s")
        assert await kubectl("apply", "-f", "-", stdin=WIDGET) == "widget.example.com/w created"
        assert (await kubectl("get", "wd")).split()[:4] == ["NAME", "SIZE", "w", "2"]
        await kubectl("scale", "wd/w", "--replicas=7")
        assert await kubectl("get", "wd", "w", "-o", "jsonpath={.spec}") == '{"size":7}'
        assert "widgets" in await kubectl("api-resources", "--api-group=example.com", "-o", "name")
        await kubectl("delete", "crd", "widgets.example.com", "--timeout=60s")
        assert "doesn't have a resource type" in await kubectl.refused("get", "widgets.example.com")

    play(test)


def test_a_watch_shows_rows_as_they_come(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        process = await kubectl.start("get", "cm", "--watch", "--output-watch-events", "-l", "a=b")
        assert process.stdout is not None
        client = LocalClient(api)

        async def line() -> list[str]:
            assert process.stdout is not None
            return (await asyncio.wait_for(process.stdout.readline(), 10)).decode().split()

        try:
            raw = {"metadata": {"name": "one", "namespace": "default", "labels": {"a": "b"}}, "data": {"k": "v"}}
            await client.create(kinds.CONFIGMAP, raw)
            assert (await line())[:3] == ["EVENT", "NAME", "DATA"]
            assert (await line())[:3] == ["ADDED", "one", "1"]
            await client.patch(kinds.CONFIGMAP, "default", "one", {"data": {"more": "v"}})
            assert (await line())[:3] == ["MODIFIED", "one", "2"]
            await client.patch(kinds.CONFIGMAP, "default", "one", {"metadata": {"labels": {"a": None}}})
            assert (await line())[:3] == ["DELETED", "one", "2"]
        finally:
            process.terminate()
            await process.wait()

    play(test)


def test_mistakes_are_told_in_the_words_people_know(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        assert 'Error from server (NotFound): pods "x" not found' in await kubectl.refused("get", "pod", "x")
        await kubectl("create", "configmap", "c", "--from-literal=a=b")
        assert 'configmaps "c" already exists' in await kubectl.refused("create", "configmap", "c")
        assert 'namespaces "nowhere" not found' in await kubectl.refused("create", "cm", "d", "-n", "nowhere")
        wrong = DEPLOYMENT.replace("replicas", "replicaz") % 1
        assert 'unknown field "spec.replicaz"' in await kubectl.refused("apply", "-f", "-", stdin=wrong)
        warned = await kubectl.answer("apply", "--validate=warn", "-f", "-", stdin=wrong)
        assert warned.code == 0
        assert 'Warning: unknown field "spec.replicaz"' in warned.error
        other = (
            '{"spec":{"selector":{"matchLabels":{"app":"other"}},"template":{"metadata":{"labels":{"app":"other"}}}}}'
        )
        assert "field is immutable" in await kubectl.refused("patch", "deploy", "web", "-p", other)
        refused = await kubectl.refused("get", "pods", "--field-selector=spec.foo=1")
        assert refused.endswith("field label not supported: spec.foo")
        await kubectl("run", "p", "--image=nginx")
        assert "pod updates may not change fields" in await kubectl.refused(
            "patch", "pod", "p", "-p", '{"spec":{"hostname":"other"}}'
        )

    play(test)


def test_everyday_commands(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        assert await kubectl("create", "deployment", "web", "--image=nginx") == "deployment.apps/web created"
        assert await kubectl("expose", "deployment", "web", "--port=80") == "service/web exposed"
        assert await kubectl("label", "svc", "web", "tier=front") == "service/web labeled"
        assert await kubectl("annotate", "svc", "web", "note=x") == "service/web annotated"
        assert await kubectl("set", "image", "deploy/web", "nginx=nginx:2") == "deployment.apps/web image updated"
        assert await kubectl("get", "svc", "-l", "tier=front", "-o", "name") == "service/web"
        assert "10.96." in await kubectl("describe", "svc", "web")
        assert await kubectl("auth", "can-i", "create", "pods") == "yes"
        assert await kubectl("get", "--raw", "/readyz") == "ok"
        await kubectl("create", "namespace", "shop")
        await kubectl("create", "secret", "generic", "s", "-n", "shop", "--from-literal=a=b")
        assert await kubectl("get", "secret", "s", "-n", "shop", "-o", "jsonpath={.data.a}") == "Yg=="
        assert await kubectl("delete", "namespace", "shop", "--timeout=60s") == 'namespace "shop" deleted'
        assert "not found" in await kubectl.refused("get", "namespace", "shop")

    play(test)


def test_without_credentials_nothing_is_told(play: Play, tmp_path: Path) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        path = tmp_path / "kubeconfig"
        path.write_text(path.read_text().replace(credentials().token, "wrong"))
        assert "You must be logged in to the server" in await kubectl.refused("get", "pods")

    play(test)


def test_long_lists_come_in_chunks(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        for number in range(7):
            await kubectl("create", "configmap", f"c{number}")
        listed = await kubectl.answer("get", "configmaps", "--chunk-size=2", "-o", "name", "-v=8")
        found = [line for line in listed.out.splitlines() if line.startswith("configmap/c")]
        assert found == [f"configmap/c{number}" for number in range(7)]
        assert listed.error.count("limit=2") >= 4

    play(test)


def test_kubectl_goes_over_to_server_side_apply_and_back(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        async def replicas() -> str:
            return await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")

        await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 1)
        await kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT % 2)
        assert await replicas() == "2"
        await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 3)
        assert await replicas() == "3"
        shown = await kubectl("get", "deploy", "web", "-o", "yaml", "--show-managed-fields")
        assert "manager: kubectl" in shown

    play(test)


def test_explain_tells_fields_of_built_in_and_custom_kinds(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        told = await kubectl("explain", "service.spec.ports")
        assert "FIELD: ports <[]ServicePort>" in told
        assert "On the Service's addresses." in told
        assert "port\t<integer> -required-" in told
        whole = await kubectl("explain", "pod.spec.containers", "--recursive")
        assert "readinessProbe\t<Probe>" in whole
        assert "tcpSocket\t<TCPSocketAction>" in whole
        old = await kubectl("explain", "deployment.spec", "--output=plaintext-openapiv2")  # asks for protobuf
        assert "How many pods." in old
        spec = "{type: object, properties: {size: {type: integer, description: Its size.}}}"
        schema = f"{{type: object, properties: {{spec: {spec}}}}}"
        custom = DEFINITION.replace("{type: object, x-kubernetes-preserve-unknown-fields: true}", schema)
        await kubectl("apply", "-f", "-", stdin=custom)
        assert "Its size." in await kubectl("explain", "widget.spec.size")
        assert "spec\t<Object>" in await kubectl("explain", "widget", "--output=plaintext-openapiv2")

    play(test)


EVENT = """
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: moved, namespace: default}
eventTime: "2026-01-01T00:00:00.123456Z"
reportingController: example.com/mover
reportingInstance: mover-0
action: Move
reason: Moved
regarding: {kind: Pod, namespace: default, name: web}
note: from here to there
type: Normal
"""


def test_events_are_the_same_in_both_groups(play: Play) -> None:
    async def test(kubectl: Kubectl, api: Api) -> None:
        assert await kubectl("create", "-f", "-", stdin=EVENT) == "event.events.k8s.io/moved created"
        for resource, field in (("events", "message"), ("events.events.k8s.io", "note")):
            rows = (await kubectl("get", resource)).splitlines()
            assert rows[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
            assert rows[1].split()[1:] == ["Normal", "Moved", "pod/web", "from", "here", "to", "there"]
            assert await kubectl("get", resource, "-o", f"jsonpath={{.items[0].{field}}}") == "from here to there"
        assert "from here to there" in await kubectl("events")
        assert "FIELD: note <string>" in await kubectl("explain", "events.note", "--api-version=events.k8s.io/v1")
        deleted = await kubectl("delete", "events.events.k8s.io", "moved")
        assert deleted.startswith('event.events.k8s.io "moved" deleted')
        assert await kubectl("get", "events", "-o", "name") == ""

    play(test)
