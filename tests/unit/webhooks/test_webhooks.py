"""Webhooks: who is asked, what is asked, and what becomes of the answer. The webhooks are HTTPS servers on loopback."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from tests.unit.apiserver.serving import credentials

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.apiserver.write import Write
from sealane.cluster import pki
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw

CONFIG: Raw = {"metadata": {"name": "c", "namespace": "default"}, "data": {"k": "v"}}
RULE: Raw = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["configmaps"]}
Answer = Callable[[Raw], Any]


class Hooks:
    """One server that answers at /NAME as the test says, and remembers what it was asked."""

    def __init__(self, client: LocalClient, api: Api, port: int) -> None:
        self.client = client
        self.api = api
        self.port = port
        self.asked: list[Raw] = []
        self.answers: dict[str, Answer] = {}

    async def handle(self, request: web.Request) -> web.Response:
        review = await request.json()
        self.asked.append(review["request"])
        answer = self.answers[request.path[1:]](review["request"])
        if isinstance(answer, Coroutine):
            answer = await answer
        if isinstance(answer, web.Response):
            return answer
        if "response" in answer:
            return web.json_response(answer)
        response = {"uid": review["request"]["uid"], "allowed": True, **answer}
        return web.json_response({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})

    async def add(self, name: str, answer: Answer, *, mutating: bool = False, **fields: Any) -> None:
        """A configuration with one webhook, NAME.example.com."""
        self.answers[name] = answer
        ca = base64.b64encode(credentials().ca.encode()).decode()
        hook = {
            "name": f"{name}.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{self.port}/{name}", "caBundle": ca},
            "rules": [RULE],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            **fields,
        }
        kind = kinds.MUTATINGWEBHOOKS if mutating else kinds.VALIDATINGWEBHOOKS
        await self.client.create(kind, {"metadata": {"name": name}, "webhooks": [hook]})

    async def refused(self, raw: Raw = CONFIG, kind: Kind = kinds.CONFIGMAP) -> ApiError:
        with pytest.raises(ApiError) as caught:
            await self.client.create(kind, raw)
        return caught.value


@asynccontextmanager
async def hooked(folder: Path) -> AsyncIterator[Hooks]:
    store = Store.open(folder / "store.db")
    api = start_api(store)
    client = LocalClient(api)
    for name in ("default", "other"):
        await client.create(kinds.NAMESPACE, {"metadata": {"name": name, "labels": {"of": name}}})
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(16)
        hooks = Hooks(client, api, sock.getsockname()[1])
        app = web.Application()
        app.router.add_post("/{name}", hooks.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, sock, ssl_context=pki.server_context(credentials())).start()
        try:
            yield hooks
        finally:
            await api.webhooks.close()
            await runner.cleanup()
            store.close()


def play(folder: Path, talk: Callable[[Hooks], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with hooked(folder) as hooks:
            await talk(hooks)

    asyncio.run(run())


def allow(_request: Raw) -> Raw:
    return {}


def patching(*operations: Raw) -> Answer:
    patch = base64.b64encode(msgspec.json.encode(operations)).decode()
    return lambda _request: {"patch": patch, "patchType": "JSONPatch"}


def setting(path: str, value: Any) -> Answer:
    return patching({"op": "add", "path": path, "value": value})


def test_what_is_asked(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        await hooks.add("see", allow)
        made = await hooks.client.create(kinds.CONFIGMAP, CONFIG)
        await hooks.client.patch(kinds.CONFIGMAP, "default", "c", {"data": {"k": "w"}})
        await hooks.client.delete(kinds.CONFIGMAP, "default", "c")
        create, update, delete = hooks.asked
        assert create["operation"] == "CREATE"
        assert create["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert create["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert (create["name"], create["namespace"], create["dryRun"]) == ("c", "default", False)
        assert create["object"]["metadata"]["uid"] == made.uid
        assert create["oldObject"] is None
        assert create["userInfo"]["groups"] == ["system:masters", "system:authenticated"]
        assert create["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
        assert (update["object"]["data"], update["oldObject"]["data"]) == ({"k": "w"}, {"k": "v"})
        assert (delete["operation"], delete["object"], delete["oldObject"]["data"]) == ("DELETE", None, {"k": "w"})

    play(tmp_path, talk)


def test_a_patch_changes_what_is_stored_and_the_validating_see_it(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        rule = [{**RULE, "resources": ["pods"]}]
        container = {"name": "proxy", "image": "proxy:1"}
        add = patching({"op": "add", "path": "/spec/containers/-", "value": container})
        await hooks.add("inject", add, mutating=True, rules=rule)
        await hooks.add("watch", allow, rules=rule)
        spec = {"containers": [{"name": "c", "image": "i:1"}]}
        pod = await hooks.client.create(kinds.POD, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
        injected = pod.spec["containers"][1]
        assert (injected["name"], injected["imagePullPolicy"]) == ("proxy", "IfNotPresent")  # with its defaults
        assert "kube-api-access" in injected["volumeMounts"][0]["name"]  # the server's own plugins looked again
        assert hooks.asked[-1]["object"]["spec"] == pod.spec
        assert len(hooks.asked) == 2

    play(tmp_path, talk)


def test_refusals_are_in_the_webhooks_words(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        status: Raw = {}
        await hooks.add("no", lambda _request: {"allowed": False, "status": status})
        error = await hooks.refused()
        assert (error.code, error.message) == (
            400,
            'admission webhook "no.example.com" denied the request without explanation',
        )
        status.update(code=403, reason="Forbidden", message="not on a Friday")
        error = await hooks.refused()
        assert (error.code, error.reason) == (403, "Forbidden")
        assert error.message == 'admission webhook "no.example.com" denied the request: not on a Friday'
        status.clear()
        status.update(reason="Policy")
        assert (await hooks.refused()).message.endswith("denied the request: Policy")

    play(tmp_path, talk)


WRONG: list[tuple[str, Any, str]] = [
    ("uid", {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "x"}}, "response.uid"),
    ("kind", {"response": {}}, "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="),
    ("patch", {"patch": "W10="}, "validating webhook may not return response.patch"),
    ("status", web.Response(status=500, text="oops"), 'an error on the server ("oops") has prevented'),
    ("lost", web.Response(status=404), "the server could not find the requested resource"),
    ("text", web.Response(text="hello"), "json parse error"),
]


@pytest.mark.parametrize(("name", "answer", "why"), WRONG, ids=[name for name, _, _ in WRONG])
def test_answers_that_mean_nothing(tmp_path: Path, name: str, answer: Any, why: str) -> None:
    async def talk(hooks: Hooks) -> None:
        await hooks.add(name, lambda _request: answer)
        error = await hooks.refused()
        assert (error.code, error.reason) == (500, "InternalError")
        assert error.message.startswith(f'Internal error occurred: failed calling webhook "{name}.example.com": ')
        assert why in error.message
        await hooks.client.delete(kinds.VALIDATINGWEBHOOKS, "", name)
        await hooks.client.create(kinds.CONFIGMAP, CONFIG)

    play(tmp_path, talk)


def test_a_webhook_that_is_not_there(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))  # nobody listens
            url = f"https://127.0.0.1:{sock.getsockname()[1]}/x"
            await hooks.add("gone", allow, clientConfig={"url": url})
            where = url.removeprefix("https://").removesuffix("/x")
            assert (await hooks.refused()).message == (
                'Internal error occurred: failed calling webhook "gone.example.com": failed to call webhook: '
                f'Post "{url}?timeout=10s": dial tcp {where}: connect: connection refused'
            )
            service = {"namespace": "default", "name": "none", "path": "/check"}
            await hooks.add("away", allow, clientConfig={"service": service})
            await hooks.client.delete(kinds.VALIDATINGWEBHOOKS, "", "gone")
            assert (await hooks.refused()).message.endswith(
                'Post "https://none.default.svc:443/check?timeout=10s": service "none" not found'
            )
            await hooks.client.delete(kinds.VALIDATINGWEBHOOKS, "", "away")
            await hooks.add("open", allow, clientConfig={"url": url}, failurePolicy="Ignore")
            await hooks.client.create(kinds.CONFIGMAP, CONFIG)

    play(tmp_path, talk)


def test_strangers_and_slow_ones(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        url = f"https://127.0.0.1:{hooks.port}/stranger"
        await hooks.add("stranger", allow, clientConfig={"url": url})
        assert (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
            in (await hooks.refused()).message
        )
        await hooks.client.delete(kinds.VALIDATINGWEBHOOKS, "", "stranger")

        async def slow(_request: Raw) -> Raw:
            await asyncio.sleep(30)
            return {}

        await hooks.add("slow", slow, timeoutSeconds=1)
        assert (await hooks.refused()).message.endswith('?timeout=1s": context deadline exceeded')

    play(tmp_path, talk)


async def asked_for(hooks: Hooks, kind: Kind, raw: Raw) -> bool:
    before = len(hooks.asked)
    await hooks.client.create(kind, raw)
    return len(hooks.asked) > before


def named(name: str, namespace: str = "default", **labels: str) -> Raw:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


def test_who_is_asked(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        rules = [{**RULE, "operations": ["CREATE"], "resources": ["*"], "scope": "Namespaced"}]
        await hooks.add(
            "some",
            allow,
            rules=rules,
            namespaceSelector={"matchLabels": {"of": "default"}},
            objectSelector={"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]},
            matchConditions=[{"name": "not-me", "expression": "object.metadata.name != 'me'"}],
        )
        assert await asked_for(hooks, kinds.CONFIGMAP, named("a"))
        assert not await asked_for(hooks, kinds.CONFIGMAP, named("b", "other"))
        assert not await asked_for(hooks, kinds.CONFIGMAP, named("c", skip="yes"))
        assert not await asked_for(hooks, kinds.CONFIGMAP, named("me"))
        assert not await asked_for(hooks, kinds.CLUSTERROLE, {"metadata": {"name": "wide"}})
        before = len(hooks.asked)
        await hooks.client.delete(kinds.CONFIGMAP, "default", "a")
        assert len(hooks.asked) == before

    play(tmp_path, talk)


def test_configurations_of_webhooks_are_nobodys_to_refuse(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        rules = [{**RULE, "resources": ["*"]}]
        await hooks.add("all", lambda _request: {"allowed": False}, rules=rules)
        await hooks.client.delete(kinds.VALIDATINGWEBHOOKS, "", "all")
        await hooks.client.create(kinds.CONFIGMAP, CONFIG)

    play(tmp_path, talk)


def test_dry_runs_ask_only_those_without_side_effects(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        await hooks.add("pure", allow)
        await hooks.api.create(kinds.CONFIGMAP, "default", CONFIG, Write(dry_run=True))
        assert hooks.asked[0]["dryRun"] is True
        assert hooks.asked[0]["options"]["dryRun"] == ["All"]
        await hooks.client.delete(kinds.VALIDATINGWEBHOOKS, "", "pure")
        await hooks.add("writes", allow, sideEffects="NoneOnDryRun")
        await hooks.api.create(kinds.CONFIGMAP, "default", CONFIG, Write(dry_run=True))

    play(tmp_path, talk)


def test_warnings_are_passed_on_once(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        await hooks.add("warn", lambda _request: {"warnings": ["soon gone"]})
        await hooks.add("also", setting("/data/x", "y"), mutating=True)
        write = Write(warnings=[])
        await hooks.api.create(kinds.CONFIGMAP, "default", CONFIG, write)
        assert write.warnings == ["soon gone"]

    play(tmp_path, talk)


def test_those_who_want_are_asked_again_after_others_changed_it(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        def size(request: Raw) -> Any:
            return setting("/metadata/labels", {"size": str(len(request["object"]["data"]))})(request)

        await hooks.add("a", size, mutating=True, reinvocationPolicy="IfNeeded")
        await hooks.add("b", setting("/data/more", "x"), mutating=True)
        made = await hooks.client.create(kinds.CONFIGMAP, CONFIG)
        assert made.metadata["labels"] == {"size": "2"}
        assert len(hooks.asked) == 3

    play(tmp_path, talk)


def test_what_is_stored_is_what_was_judged_also_when_it_changed_meanwhile(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        await hooks.client.create(kinds.CONFIGMAP, {**CONFIG, "data": {"n": "0"}})
        meddled: list[bool] = []

        async def meddle(request: Raw) -> Raw:
            if not meddled and request["object"]["data"].get("mine"):
                meddled.append(True)
                await hooks.client.patch(kinds.CONFIGMAP, "default", "c", {"data": {"n": "1"}})
            return {}

        await hooks.add("meddle", meddle, rules=[{**RULE, "operations": ["UPDATE"]}])
        made = await hooks.client.patch(kinds.CONFIGMAP, "default", "c", {"data": {"mine": "yes"}})
        assert made.raw["data"] == {"n": "1", "mine": "yes"}
        assert hooks.asked[-1]["object"]["data"] == made.raw["data"]

    play(tmp_path, talk)


def test_a_mutating_webhook_cannot_change_a_deletion(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        await hooks.client.create(kinds.CONFIGMAP, CONFIG)
        await hooks.add("odd", setting("/data/x", "y"), mutating=True, rules=[{**RULE, "operations": ["DELETE"]}])
        with pytest.raises(ApiError, match="attempted to modify the object, which is not supported"):
            await hooks.client.delete(kinds.CONFIGMAP, "default", "c")

    play(tmp_path, talk)


def test_what_a_webhook_made_is_validated(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        await hooks.add("bad", setting("/data", {"not a key!": "x"}), mutating=True)
        assert (await hooks.refused()).code == 422
        await hooks.client.delete(kinds.MUTATINGWEBHOOKS, "", "bad")
        await hooks.add("nowhere", setting("/a/b/c", 1), mutating=True)
        assert (await hooks.refused()).code == 500

    play(tmp_path, talk)


def test_parts_of_objects_are_asked_about_as_what_they_are(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        parts = ["deployments/scale", "pods/binding", "pods/eviction", "pods/exec"]
        rule = {**RULE, "resources": parts}
        await hooks.add("parts", lambda request: {"allowed": request["subResource"] != "eviction"}, rules=[rule])
        labels = {"a": "b"}
        pod_spec = {"containers": [{"name": "c", "image": "i:1"}]}
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec},
        }
        metadata = {"name": "d", "namespace": "default"}
        await hooks.client.create(kinds.DEPLOYMENT, {"metadata": metadata, "spec": spec})
        pod = await hooks.client.create(kinds.POD, {"metadata": metadata, "spec": pod_spec})
        assert hooks.asked == []
        scale = {"spec": {"replicas": 3}}
        await hooks.client.patch(kinds.DEPLOYMENT, "default", "d", scale, subresource="scale")
        await hooks.client.bind(pod, "node-1")
        part: Raw = {"apiVersion": "policy/v1", "kind": "Eviction"}
        with pytest.raises(ApiError, match="denied the request"):
            await hooks.api.part("CREATE", "default", "d", "eviction", part, Write())
        part = {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["id"]}
        await hooks.api.part("CONNECT", "default", "d", "exec", part, Write())
        said = [(each["operation"], each["subResource"], each["kind"]["kind"]) for each in hooks.asked]
        assert said == [
            ("UPDATE", "scale", "Scale"),
            ("CREATE", "binding", "Binding"),
            ("CREATE", "eviction", "Eviction"),
            ("CONNECT", "exec", "PodExecOptions"),
        ]
        assert hooks.asked[0]["oldObject"]["spec"] == {"replicas": 1}
        assert hooks.asked[3]["object"] == part
        assert (hooks.asked[3]["name"], hooks.asked[3]["namespace"]) == ("d", "default")
        assert (await hooks.client.get(kinds.DEPLOYMENT, "default", "d")).spec["replicas"] == 3

    play(tmp_path, talk)


def _pod(image: str, **status: Any) -> Raw:
    metadata = {"name": "judge", "namespace": "default", "labels": {"app": "judge"}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": image}]}, "status": status}


def test_a_webhook_that_a_stand_in_serves_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        spec = {"selector": {"app": "judge"}, "ports": [{"port": 443, "targetPort": 9443}]}
        await hooks.client.create(kinds.SERVICE, {"metadata": {"name": "judge", "namespace": "default"}, "spec": spec})
        target = {"service": {"name": "judge", "namespace": "default", "path": "/"}}
        told: list[str] = []
        hooks.api.webhooks.on_passed_over = lambda hook, why: told.append(hook.name)
        for name, mutating in (("judges", False), ("changes", True)):
            await hooks.add(name, allow, mutating=mutating, clientConfig=target, failurePolicy="Fail")
        assert "failed calling webhook" in (await hooks.refused()).message  # nothing stands there, not even an echo
        assert told == []
        await hooks.client.create(kinds.POD, _pod("example.com/judge:v1"))
        warnings: list[str] = []
        await hooks.api.create(kinds.CONFIGMAP, "default", CONFIG, Write(warnings=warnings))
        assert [text.partition(" is passed over")[0] for text in warnings] == [
            'webhook "changes.example.com" of changes',
            'webhook "judges.example.com" of judges',
        ]
        assert set(told) == {"judges.example.com", "changes.example.com"}
        assert hooks.asked == []

    play(tmp_path, talk)


def test_a_program_that_serves_a_webhook_is_asked_until_it_has_shown_that_it_needs_its_image(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        spec = {"selector": {"app": "judge"}, "ports": [{"port": 443}]}
        await hooks.client.create(kinds.SERVICE, {"metadata": {"name": "judge", "namespace": "default"}, "spec": spec})
        target = {"service": {"name": "judge", "namespace": "default"}}
        await hooks.add("judges", allow, clientConfig=target, failurePolicy="Fail", timeoutSeconds=1)
        await hooks.client.create(kinds.POD, _pod("python:3.13"))
        assert "failed calling webhook" in (await hooks.refused()).message
        statuses = [{"name": "c", "imageID": "sealane-stand-in://python:3.13"}]
        patch = {"status": {"containerStatuses": statuses}}
        await hooks.client.patch(kinds.POD, "default", "judge", patch, type="merge", subresource="status")
        await hooks.client.create(kinds.CONFIGMAP, CONFIG)

    play(tmp_path, talk)


def test_while_there_are_no_pods_the_template_of_a_workload_says_who_will_serve(tmp_path: Path) -> None:
    async def talk(hooks: Hooks) -> None:
        spec = {"selector": {"app": "judge"}, "ports": [{"port": 443}]}
        await hooks.client.create(kinds.SERVICE, {"metadata": {"name": "judge", "namespace": "default"}, "spec": spec})
        target = {"service": {"name": "judge", "namespace": "default"}}
        await hooks.add("judges", allow, clientConfig=target, failurePolicy="Fail")
        pod = _pod("example.com/judge:v1")
        template = {"metadata": {"labels": {"app": "judge"}}, "spec": pod["spec"]}
        deployment = {"selector": {"matchLabels": {"app": "judge"}}, "template": template}
        metadata = {"name": "judge", "namespace": "default"}
        await hooks.client.create(kinds.DEPLOYMENT, {"metadata": metadata, "spec": deployment})
        await hooks.client.create(kinds.CONFIGMAP, CONFIG)

    play(tmp_path, talk)
