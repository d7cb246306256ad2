"""Who asks, and what they may, over HTTPS: every way in, every refusal, nothing leaked."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from tests.unit.apiserver.serving import Server, credentials, serving

from sealane.apiserver.access.keys import SigningKey, peeked
from sealane.apiserver.access.tokens import AccountTokens
from sealane.apiserver.api import Api
from sealane.apiserver.followers import roles
from sealane.apiserver.followers.certificates import Authority
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.client.http import HttpClient
from sealane.kube.objects import Raw

PODS = "/api/v1/namespaces/default/pods"


class Asker:
    """Asks one server as whoever."""

    def __init__(self, api: Api, server: Server, session: aiohttp.ClientSession) -> None:
        self.api = api
        self.server = server
        self.admin = LocalClient(api)
        self._session = session

    async def ask(
        self,
        method: str,
        path: str,
        token: str | None = "",
        body: Any = None,
        media: str = "application/json",
        **headers: str,
    ) -> tuple[int, Raw]:
        """token "": the admin's; None: none."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.server.access.token}"
        data = None if body is None else msgspec.json.encode(body)
        async with self._session.request(
            method, self.server.access.server + path, data=data, headers={**headers, "Content-Type": media}
        ) as response:
            text = await response.read()
            return response.status, msgspec.json.decode(text) if text[:1] == b"{" else {"text": text.decode()}

    async def message(self, *arguments: Any, **headers: Any) -> tuple[int, str]:
        code, answer = await self.ask(*arguments, **headers)
        return code, answer.get("message", "")

    async def bind(self, user: str, rules: list[Raw], namespace: str = "", name: str = "") -> None:
        """Gives `user` a role of their own."""
        role, binding = (kinds.ROLE, kinds.ROLEBINDING) if namespace else (kinds.CLUSTERROLE, kinds.CLUSTERROLEBINDING)
        metadata = {"name": name or f"of-{user}", **({"namespace": namespace} if namespace else {})}
        await self.admin.create(role, {"metadata": metadata, "rules": rules})
        reference = {"apiGroup": role.group, "kind": role.kind, "name": metadata["name"]}
        subject = {"apiGroup": role.group, "kind": "User", "name": user}
        await self.admin.create(binding, {"metadata": metadata, "roleRef": reference, "subjects": [subject]})

    async def account_token(self, name: str = "default", namespace: str = "default", **spec: Any) -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        code, answer = await self.ask("POST", path, body={"spec": spec})
        assert code == 201, answer
        token: str = answer["status"]["token"]
        return token


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[Asker]:
    store = Store.open(folder / "store.db")
    made = credentials()
    accounts = AccountTokens(store, SigningKey(made.account_key))
    api = start_api(store, accounts=accounts, authority=Authority(made.ca, made.ca_key))
    try:
        roles.furnish(api)
        await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        async with serving(api) as server:
            context = server.access.ssl_context()
            assert context is not None
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
                yield Asker(api, server, session)
    finally:
        store.close()


def test_without_credentials_only_public_information(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            for path in ("/version", "/healthz", "/livez", "/readyz"):
                assert (await asker.ask("GET", path, None))[0] == 200
            for path in ("/api", "/apis", "/openapi/v2", "/nowhere"):
                said = f'forbidden: User "system:anonymous" cannot get path "{path}"'
                assert await asker.message("GET", path, None) == (403, said)
            assert await asker.message("GET", PODS, None) == (
                403,
                'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the '
                'namespace "default"',
            )
            for token in ("wrong", "a.b.c", "x" * 5000, "ä"):
                assert await asker.message("GET", "/version", token) == (401, "Unauthorized")
            assert await asker.message("GET", PODS, None, Authorization="Basic YTpi") == (401, "Unauthorized")

    asyncio.run(talk())


EVERYTHING = [
    ("GET", PODS, "list"),
    ("GET", f"{PODS}?watch=1", "watch"),
    ("GET", f"{PODS}/there", "get"),
    ("GET", f"{PODS}/not-there", "get"),
    ("POST", PODS, "create"),
    ("PUT", f"{PODS}/there", "update"),
    ("PATCH", f"{PODS}/there", "patch"),
    ("DELETE", f"{PODS}/there", "delete"),
    ("DELETE", PODS, "deletecollection"),
    ("GET", f"{PODS}/there/log", "get"),
    ("POST", f"{PODS}/there/exec?command=id", "create"),
    ("GET", f"{PODS}/there/exec?command=id", "get"),
    ("POST", f"{PODS}/there/portforward", "create"),
    ("POST", f"{PODS}/there/attach", "create"),
    ("PUT", f"{PODS}/there:80/proxy/path", "update"),
    ("DELETE", "/api/v1/namespaces/default/services/http:s:80/proxy/", "delete"),
    ("POST", f"{PODS}/there/binding", "create"),
    ("POST", f"{PODS}/there/eviction", "create"),
    ("PATCH", f"{PODS}/there/status", "patch"),
    ("PUT", "/apis/apps/v1/namespaces/default/deployments/d/scale", "update"),
    ("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", "create"),
    ("GET", "/api/v1/secrets", "list"),
    ("GET", "/api/v1/namespaces", "list"),
    ("GET", "/api/v1/namespaces/default", "get"),
    ("GET", "/api/v1/namespaces/not-there", "get"),
    ("GET", "/apis/example.com/v1/unknowns", "list"),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "create"),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", "create"),
]


def test_who_has_no_role_learns_nothing(tmp_path: Path) -> None:
    """The same refusal whatever is there and whatever was sent: no 404, no 400, no 422 before the 403."""

    async def talk() -> None:
        async with asking(tmp_path) as asker:
            pod = {"metadata": {"name": "there", "namespace": "default"}, "spec": {"containers": [{"name": "c"}]}}
            await asker.admin.create(kinds.POD, pod | {"spec": {"containers": [{"name": "c", "image": "i"}]}})
            token = await asker.account_token()
            who = "system:serviceaccount:default:default"
            for method, path, verb in EVERYTHING:
                code, answer = await asker.ask(method, path, token, None if method == "GET" else {"nonsense": True})
                assert (code, answer["reason"], answer["status"]) == (403, "Forbidden", "Failure"), path
                assert f'User "{who}" cannot {verb} resource' in answer["message"]
            assert (await asker.admin.get(kinds.POD, "default", "there")).name == "there"

    asyncio.run(talk())


def test_a_role_allows_what_it_says_where_it_says(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            await asker.admin.create(kinds.NAMESPACE, {"metadata": {"name": "other"}})
            token = await asker.account_token()
            subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
            view = {"apiGroup": kinds.ROLE.group, "kind": "ClusterRole", "name": "view"}
            metadata = {"name": "v", "namespace": "other"}
            bound = await asker.admin.create(
                kinds.ROLEBINDING, {"metadata": metadata, "roleRef": view, "subjects": [subject]}
            )
            assert (await asker.ask("GET", "/api/v1/namespaces/other/pods", token))[0] == 200
            assert (await asker.ask("GET", "/api/v1/namespaces/other", token))[0] == 200
            assert (await asker.ask("GET", "/api/v1/namespaces/other/secrets", token))[0] == 403
            assert (await asker.ask("GET", "/api/v1/pods", token))[0] == 403
            assert (await asker.ask("POST", "/api/v1/namespaces/other/pods", token, {}))[0] == 403
            await asker.admin.delete(kinds.ROLEBINDING, "other", bound.name)
            assert (await asker.ask("GET", "/api/v1/namespaces/other/pods", token))[0] == 403

    asyncio.run(talk())


def test_applying_what_is_not_there_is_creating_it(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            rule = {"verbs": ["patch"], "apiGroups": [""], "resources": ["configmaps"]}
            await asker.bind("bob", [rule], "default")
            config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
            arguments = (
                "PATCH",
                "/api/v1/namespaces/default/configmaps/c?fieldManager=m",
                "",
                config,
                "application/apply-patch+yaml",
            )
            assert await asker.message(*arguments, Impersonate_User="bob") == (
                403,
                'configmaps "c" is forbidden: User "bob" cannot create resource "configmaps" in API group "" in the '
                'namespace "default"',
            )
            assert (await asker.ask(*arguments))[0] == 201
            assert (await asker.ask(*arguments, Impersonate_User="bob"))[0] == 200

    asyncio.run(talk())


def test_a_binding_to_a_role_that_is_not_there_says_so(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            reference = {"apiGroup": kinds.ROLE.group, "kind": "Role", "name": "gone"}
            await asker.admin.create(
                kinds.ROLEBINDING,
                {
                    "metadata": {"name": "b", "namespace": "default"},
                    "roleRef": reference,
                    "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
                },
            )
            token = await asker.account_token()
            code, said = await asker.message("GET", PODS, token)
            assert code == 403
            assert said.endswith(': RBAC: role.rbac.authorization.k8s.io "gone" not found')

    asyncio.run(talk())


def test_tokens_count_while_what_they_are_bound_to_is_there(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 0}
            pod = await asker.admin.create(kinds.POD, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
            reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
            token = await asker.account_token(boundObjectRef=reference, expirationSeconds=700)
            claims = peeked(token)
            assert claims is not None
            assert claims["exp"] - claims["iat"] == 700
            assert claims["iss"] == "https://kubernetes.default.svc.cluster.local"
            assert claims["kubernetes.io"]["pod"] == {"name": "p", "uid": pod.uid}
            code, who = await asker.ask(
                "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", token, {"metadata": {}}
            )
            assert (code, who["status"]["userInfo"]["username"]) == (201, "system:serviceaccount:default:default")
            assert who["status"]["userInfo"]["groups"] == [
                "system:serviceaccounts",
                "system:serviceaccounts:default",
                "system:authenticated",
            ]
            assert who["status"]["userInfo"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
            await asker.admin.delete(kinds.POD, "default", "p")
            assert await asker.message("GET", "/api", token) == (401, "Unauthorized")
            review = {"spec": {"token": token}}
            _, answer = await asker.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", "", review)
            assert "authenticated" not in answer["status"]
            assert "pod 'p' has been deleted" in answer["status"]["error"]

            unbound = await asker.account_token()
            assert (await asker.ask("GET", "/api", unbound))[0] == 200
            await asker.admin.delete(kinds.SERVICEACCOUNT, "default", "default")
            assert (await asker.ask("GET", "/api", unbound))[0] == 401

    asyncio.run(talk())


def test_tokens_that_are_not_ours_or_not_for_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            token = await asker.account_token(expirationSeconds=600)
            head, claims, signature = token.split(".")
            forged = base64.urlsafe_b64encode(
                base64.urlsafe_b64decode(claims + "==").replace(b"default:default", b"kube-system:x")
            ).decode()
            none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
            for wrong in (
                f"{head}.{forged.rstrip('=')}.{signature}",
                f"{head}.{claims}.{'A' * len(signature)}",
                f"{none}.{claims}.",
                await asker.account_token(audiences=["vault"]),
            ):
                assert await asker.message("GET", "/api", wrong) == (401, "Unauthorized")
            vault = await asker.account_token(audiences=["vault", "other"])
            review = {"spec": {"token": vault, "audiences": ["vault", "elsewhere"]}}
            _, answer = await asker.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", "", review)
            assert answer["status"]["authenticated"] is True
            assert answer["status"]["audiences"] == ["vault"]
            now = __import__("time").time()
            monkeypatch.setattr("sealane.apiserver.access.tokens.time.time", lambda: now + 601)
            assert (await asker.ask("GET", "/api", token))[0] == 401

    asyncio.run(talk())


def test_secrets_of_service_accounts_hold_a_token_without_end(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            await asker.admin.create(kinds.SERVICEACCOUNT, {"metadata": {"name": "ci", "namespace": "default"}})

            async def made(name: str, account: str) -> None:
                note = {"kubernetes.io/service-account.name": account}
                metadata = {"name": name, "namespace": "default", "annotations": note}
                body = {"metadata": metadata, "type": "kubernetes.io/service-account-token"}
                await asker.admin.create(kinds.SECRET, body)

            async def found(name: str) -> Raw | None:
                code, secret = await asker.ask("GET", f"/api/v1/namespaces/default/secrets/{name}")
                return secret if code == 200 else None

            await made("s", "ci")
            async with asyncio.timeout(10):
                while not (secret := await found("s")) or "token" not in secret.get("data", {}):
                    await asyncio.sleep(0.01)
                token = base64.b64decode(secret["data"]["token"]).decode()
                me = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
                _, answer = await asker.ask("POST", me, token, {})
                assert answer["status"]["userInfo"]["username"] == "system:serviceaccount:default:ci"
                await made("orphan", "nobody")
                while await found("orphan"):
                    await asyncio.sleep(0.01)
                await asker.admin.delete(kinds.SERVICEACCOUNT, "default", "ci")
                assert (await asker.ask("POST", me, token, {}))[0] == 401
                while await found("s"):
                    await asyncio.sleep(0.01)

    asyncio.run(talk())


def test_token_requests_that_are_refused(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            path = "/api/v1/namespaces/default/serviceaccounts/{}/token"
            assert await asker.message("POST", path.format("nobody"), "", {}) == (
                404,
                'serviceaccounts "nobody" not found',
            )
            code, said = await asker.message("POST", path.format("default"), "", {"spec": {"expirationSeconds": 60}})
            assert code == 422
            assert said.endswith(
                "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes"
            )
            reference = {"kind": "Pod", "apiVersion": "v1", "name": "none"}
            body = {"spec": {"boundObjectRef": reference}}
            assert await asker.message("POST", path.format("default"), "", body) == (404, 'pods "none" not found')
            for spec in ([], {"audiences": [1]}, {"expirationSeconds": "x"}):
                assert (await asker.ask("POST", path.format("default"), "", {"spec": spec}))[0] == 400

    asyncio.run(talk())


def test_impersonation_needs_to_be_allowed(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            me = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
            _, answer = await asker.ask("POST", me, "", {}, Impersonate_User="bob", Impersonate_Group="devs")
            assert answer["status"]["userInfo"] == {"username": "bob", "groups": ["devs", "system:authenticated"]}
            account = "system:serviceaccount:default:default"
            _, answer = await asker.ask("POST", me, "", {}, Impersonate_User=account)
            assert answer["status"]["userInfo"]["groups"][0] == "system:serviceaccounts"
            assert await asker.message("GET", PODS, "", Impersonate_User="bob") == (
                403,
                'pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"',
            )
            token = await asker.account_token()
            assert await asker.message("GET", PODS, token, Impersonate_User="kubernetes-admin") == (
                403,
                f'users "kubernetes-admin" is forbidden: User "{account}" cannot impersonate resource "users" in API '
                'group "" at the cluster scope',
            )
            await asker.bind(account, [{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"]}])
            assert (await asker.ask("POST", me, token, {}, Impersonate_User="bob"))[0] == 201
            code, said = await asker.message(
                "POST", me, token, {}, Impersonate_User="bob", Impersonate_Group="system:masters"
            )
            assert code == 403
            assert said.startswith('groups "system:masters" is forbidden')
            assert (await asker.ask("GET", "/api", "", Impersonate_Group="devs"))[0] == 400

    asyncio.run(talk())


def test_access_reviews(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            await asker.bind("bob", [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}], "default", "r")
            where = "/apis/authorization.k8s.io/v1/"

            async def reviewed(plural: str, spec: Raw, **headers: str) -> Raw:
                code, answer = await asker.ask("POST", where + plural, "", {"spec": spec}, **headers)
                assert code == 201, answer
                status: Raw = answer["status"]
                return status

            pods = {"namespace": "default", "verb": "get", "resource": "pods", "version": "v1"}
            assert await reviewed("subjectaccessreviews", {"user": "bob", "resourceAttributes": pods}) == {
                "allowed": True,
                "reason": 'RBAC: allowed by RoleBinding "r/default" of Role "r" to User "bob"',
            }
            other = {**pods, "namespace": "kube-system"}
            assert await reviewed("subjectaccessreviews", {"user": "bob", "resourceAttributes": other}) == {
                "allowed": False
            }
            own = await reviewed("selfsubjectaccessreviews", {"resourceAttributes": pods}, Impersonate_User="bob")
            assert own["allowed"] is True
            path = {"nonResourceAttributes": {"path": "/version", "verb": "get"}}
            assert (await reviewed("selfsubjectaccessreviews", path, Impersonate_User="bob"))["allowed"] is True
            rules = await reviewed("selfsubjectrulesreviews", {"namespace": "default"}, Impersonate_User="bob")
            assert {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]} in rules["resourceRules"]
            assert any("/version" in rule["nonResourceURLs"] for rule in rules["nonResourceRules"])
            everything = await reviewed("selfsubjectrulesreviews", {"namespace": "default"})
            assert everything["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            local = f"{where}namespaces/default/localsubjectaccessreviews"
            body = {"spec": {"user": "bob", "resourceAttributes": other}}
            assert (await asker.ask("POST", local, "", body))[0] == 400
            assert (await asker.ask("POST", f"{where}subjectaccessreviews", "", {"spec": {}}))[0] == 422

    asyncio.run(talk())


def test_aggregated_roles_follow_their_parts(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            rule = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["widgets"]}
            label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
            await asker.admin.create(
                kinds.CLUSTERROLE, {"metadata": {"name": "widgets-view", "labels": label}, "rules": [rule]}
            )

            async def holds(name: str) -> bool:
                role = await asker.admin.get(kinds.CLUSTERROLE, "", name)
                return rule in role.raw["rules"]

            async with asyncio.timeout(10):
                while not all([await holds(name) for name in ("view", "edit", "admin")]):
                    await asyncio.sleep(0.01)
                await asker.admin.delete(kinds.CLUSTERROLE, "", "widgets-view")
                while any([await holds(name) for name in ("view", "edit", "admin")]):
                    await asyncio.sleep(0.01)

    asyncio.run(talk())


def test_the_default_roles_come_once_and_stay_as_they_were_changed(tmp_path: Path) -> None:
    async def talk() -> None:
        store = Store.open(tmp_path / "store.db")
        api = start_api(store)
        roles.furnish(api)
        await store.flush()
        version, client = store.version, LocalClient(api)
        roles.furnish(api)
        assert store.version == version
        await client.delete(kinds.CLUSTERROLE, "", "view")
        roles.furnish(api)
        await store.flush()
        assert (await client.get(kinds.CLUSTERROLE, "", "view")).raw["rules"]
        store.close()

    asyncio.run(talk())


def test_keys_are_published(tmp_path: Path) -> None:
    """What an OpenID Connect client needs to check a token, with nothing but the standard's own words."""
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    async def talk() -> None:
        async with asking(tmp_path) as asker:
            token = await asker.account_token()
            code, document = await asker.ask("GET", "/.well-known/openid-configuration", token)
            assert (code, document["issuer"]) == (200, "https://kubernetes.default.svc.cluster.local")
            code, found = await asker.ask("GET", "/openid/v1/jwks", token)
            assert code == 200
            head, claims, signature = token.split(".")
            kid = msgspec.json.decode(base64.urlsafe_b64decode(head + "=="))["kid"]
            key = next(each for each in found["keys"] if each["kid"] == kid)
            x, y = (int.from_bytes(base64.urlsafe_b64decode(key[name] + "=="), "big") for name in "xy")
            raw = base64.urlsafe_b64decode(signature + "==")
            der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            public.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
            assert (await asker.ask("GET", "/openid/v1/jwks", None))[0] == 403

    asyncio.run(talk())


def test_client_certificates_are_users(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            made = certificate("carol", ["devs", "ops"])
            access = replace(asker.server.access, token="", client_certificate=made[0], client_key=made[1])
            async with HttpClient(access) as client:
                me = await client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body={})
            info = me["status"]["userInfo"]
            assert (info["username"], info["groups"]) == ("carol", ["devs", "ops", "system:authenticated"])
            stranger = certificate("carol", [], trusted=False)
            access = replace(access, client_certificate=stranger[0], client_key=stranger[1])
            async with HttpClient(access) as client:
                with pytest.raises((OSError, ssl.SSLError)):
                    await client.request("GET", "/api")

    asyncio.run(talk())


def certificate(name: str, groups: list[str], trusted: bool = True) -> tuple[str, str]:
    """A client certificate and its key, PEM."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    signer: Any = key
    ca = x509.load_pem_x509_certificate(credentials().ca.encode())
    if trusted:
        signer = serialization.load_pem_private_key(credentials().ca_key.read_bytes(), None)
    now = datetime.now(UTC)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem).decode(), private.decode()
