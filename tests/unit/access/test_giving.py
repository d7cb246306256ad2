"""Roles, bindings and certificates: nobody gives what they do not have, and who may get one gets a certificate."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.access.test_access import Asker, asking

from sealane.kube import kinds
from sealane.kube.client.http import HttpClient
from sealane.kube.objects import Raw

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}
ROLES = {
    "verbs": ["get", "create", "update"],
    "apiGroups": [kinds.ROLE.group],
    "resources": ["roles", "rolebindings", "clusterroles"],
}


def role(name: str, *rules: Raw) -> Raw:
    return {"metadata": {"name": name}, "rules": list(rules)}


def binding(name: str, kind: str, to: str) -> Raw:
    reference = {"apiGroup": kinds.ROLE.group, "kind": kind, "name": to}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": [{"kind": "User", "name": "eve"}]}


def test_who_writes_roles_gives_only_what_they_hold(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            await asker.bind("ann", [PODS, ROLES], "default")
            roles = f"{RBAC}/namespaces/default/roles"

            async def said(path: str, body: Raw, method: str = "POST") -> tuple[int, str]:
                return await asker.message(method, path, "", body, Impersonate_User="ann")

            assert (await said(roles, role("fine", PODS)))[0] == 201
            secrets = {"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["secrets", "pods"]}
            assert await said(roles, role("more", secrets)) == (
                403,
                'roles.rbac.authorization.k8s.io "more" is forbidden: user "ann" (groups=["system:authenticated"]) is '
                "attempting to grant RBAC permissions not currently held:\n"
                '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
                '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}',
            )
            assert (await said(f"{roles}/fine", role("fine", PODS, secrets), "PUT"))[0] == 403
            bindings = f"{RBAC}/namespaces/default/rolebindings"
            assert (await said(bindings, binding("b", "Role", "fine")))[0] == 201
            code, text = await said(bindings, binding("c", "ClusterRole", "edit"))
            assert code == 403
            assert "is attempting to grant RBAC permissions not currently held" in text
            assert await said(bindings, binding("d", "Role", "none")) == (
                404,
                'roles.rbac.authorization.k8s.io "none" not found',
            )
            allowed = {"verbs": ["bind"], "apiGroups": [kinds.ROLE.group], "resources": ["clusterroles"]}
            await asker.bind("ann", [{**allowed, "resourceNames": ["edit"]}], name="may-bind")
            assert (await said(bindings, binding("c", "ClusterRole", "edit")))[0] == 201
            assert (await said(bindings, binding("e", "ClusterRole", "admin")))[0] == 403

    asyncio.run(talk())


def test_bindings_are_checked_and_keep_their_role(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            bindings = f"{RBAC}/namespaces/default/rolebindings"
            code, made = await asker.ask("POST", bindings, "", binding("b", "ClusterRole", "view"))
            assert code == 201
            assert made["subjects"] == [{"kind": "User", "name": "eve", "apiGroup": kinds.ROLE.group}]
            code, text = await asker.message("PUT", f"{bindings}/b", "", binding("b", "ClusterRole", "edit"))
            assert code == 422
            assert text.endswith(
                'roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"ClusterRole", '
                'Name:"edit"}: cannot change roleRef'
            )
            code, text = await asker.message("POST", bindings, "", binding("c", "Gang", "view"))
            assert (code, '"Gang": supported values: "Role", "ClusterRole"' in text) == (422, True)
            code, text = await asker.message("POST", f"{RBAC}/clusterroles", "", role("r", {"verbs": []}))
            assert "rules[0].verbs: Required value: verbs must contain at least one value" in text

    asyncio.run(talk())


def request(name: str, *groups: str) -> tuple[str, str]:
    """spec.request and its key (PEM)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return base64.b64encode(pem).decode(), private.decode()


def asked(request: str, signer: str = "kubernetes.io/kube-apiserver-client", **spec: object) -> Raw:
    found = {"request": request, "signerName": signer, "usages": ["client auth"], **spec}
    return {"metadata": {"name": "r"}, "spec": found}


async def approved(asker: Asker, name: str = "r", **headers: str) -> tuple[int, str]:
    _, found = await asker.ask("GET", f"{CSRS}/{name}")
    decision = {"type": "Approved", "status": "True", "reason": "Test"}
    return await asker.message(
        "PUT", f"{CSRS}/{name}/approval", "", {**found, "status": {"conditions": [decision]}}, **headers
    )


async def certificate(asker: Asker, name: str = "r") -> Raw:
    """The status once it has a certificate or a reason why not."""
    async with asyncio.timeout(10):
        while True:
            _, found = await asker.ask("GET", f"{CSRS}/{name}")
            status: Raw = found["status"]
            if status.get("certificate") or any(each["type"] == "Failed" for each in status["conditions"]):
                return status
            await asyncio.sleep(0.01)


def test_an_approved_request_becomes_a_user(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            text, key = request("dave", "devs")
            code, made = await asker.ask("POST", CSRS, "", asked(text, expirationSeconds=3600), Impersonate_User="x")
            assert code == 403
            code, made = await asker.ask("POST", CSRS, "", asked(text, expirationSeconds=3600, username="forged"))
            assert (code, made["spec"]["username"]) == (201, "kubernetes-admin")
            assert (await approved(asker))[0] == 200
            status = await certificate(asker)
            pem = base64.b64decode(status["certificate"]).decode()
            access = replace(asker.server.access, token="", client_certificate=pem, client_key=key)
            async with HttpClient(access) as client:
                me = await client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body={})
            assert me["status"]["userInfo"]["username"] == "dave"
            assert me["status"]["userInfo"]["groups"] == ["devs", "system:authenticated"]

    asyncio.run(talk())


def test_who_may_not_approve_or_asks_for_too_much(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            text, _ = request("root", "system:masters")
            code, said = await asker.message("POST", CSRS, "", asked(text))
            assert code == 403
            assert "kube-apiserver-client signer with system:masters group is not allowed" in said
            code, said = await asker.message("POST", CSRS, "", asked("bm9uZQ=="))
            assert (code, "spec.request: Invalid value" in said) == (422, True)
            text, _ = request("dave")
            await asker.ask("POST", CSRS, "", asked(text))
            approval = {"verbs": ["*"], "apiGroups": ["certificates.k8s.io"], "resources": ["*"]}
            await asker.bind("ann", [{**approval, "resources": ["certificatesigningrequests/approval"]}])
            assert await approved(asker, Impersonate_User="ann") == (
                403,
                'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to approve '
                'requests with signerName "kubernetes.io/kube-apiserver-client"',
            )
            signer = {**approval, "resources": ["signers"], "resourceNames": ["kubernetes.io/*"]}
            await asker.bind("ann", [{**signer, "verbs": ["approve"]}], name="signers")
            assert (await approved(asker, Impersonate_User="ann"))[0] == 200

    asyncio.run(talk())


def test_who_writes_the_status_of_a_request_decides_nothing(tmp_path: Path) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            text, _ = request("dave")
            await asker.ask("POST", CSRS, "", asked(text, signer="example.com/own"))
            status = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests/status"]}
            await asker.bind("ann", [{**status, "verbs": ["*"]}])
            _, found = await asker.ask("GET", f"{CSRS}/r")
            decision = {"type": "Approved", "status": "True", "reason": "Test"}
            body = {**found, "status": {"conditions": [decision]}}
            code, said = await asker.message("PUT", f"{CSRS}/r/status", "", body, Impersonate_User="ann")
            assert code == 422
            assert 'status.conditions: Forbidden: updates may not add a condition of type "Approved"' in said
            assert (await approved(asker))[0] == 200
            _, found = await asker.ask("GET", f"{CSRS}/r")
            code, said = await asker.message("PUT", f"{CSRS}/r/approval", "", {**found, "status": {}})
            assert 'status.conditions: Forbidden: updates may not remove a condition of type "Approved"' in said

    asyncio.run(talk())


@pytest.mark.parametrize("usages", [["server auth"], ["client auth", "cert sign"]])
def test_a_signer_says_why_it_does_not_sign(tmp_path: Path, usages: list[str]) -> None:
    async def talk() -> None:
        async with asking(tmp_path) as asker:
            text, _ = request("dave")
            await asker.ask("POST", CSRS, "", asked(text, usages=usages))
            await approved(asker)
            status = await certificate(asker)
            assert "certificate" not in status
            assert status["conditions"][-1]["reason"] == "SignerValidationFailure"

    asyncio.run(talk())
