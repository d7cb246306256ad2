"""ServiceAccount tokens: issued for a time, an audience and, if wanted, as long as a pod, secret or node exists.

Sources: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ (KEP-1205, KEP-4193) and
k8s.io/kubernetes/pkg/serviceaccount (claims.go, legacy.go), pkg/registry/core/serviceaccount/storage/token.go
"""

from __future__ import annotations

import base64
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from sealane.apiserver import errors
from sealane.apiserver.access.keys import SigningKey, peeked
from sealane.apiserver.access.user import User, account_user
from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp

ISSUER = "https://kubernetes.default.svc.cluster.local"
_LEGACY_ISSUER = "kubernetes/serviceaccount"
_LEGACY = "kubernetes.io/serviceaccount/"
TOKEN_SECRET = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"

_HOUR = 3600
_SHORTEST = 600
_LONGEST = 1 << 32
_LEEWAY = 60
"""Seconds that an object, whose deletion has been asked for and whose grace is over, still vouches for a token."""
_REMEMBERED = 4096
_BOUND: dict[str, tuple[str, Resource]] = {
    "Pod": ("pod", ("", "pods")),
    "Secret": ("secret", ("", "secrets")),
    "Node": ("node", ("", "nodes")),
}
_ACCOUNTS: Resource = ("", "serviceaccounts")
_KIND = "TokenRequest"
_VERSION = "authentication.k8s.io/v1"


class Vouched(msgspec.Struct, frozen=True):
    """The user of a token, and the audiences, of those asked about, that the token is for."""

    user: User
    audiences: tuple[str, ...]


class AccountTokens:
    """Issues and reads the tokens of one cluster's ServiceAccounts. What they vouch for is looked up each time."""

    def __init__(self, store: Store, key: SigningKey, issuer: str = ISSUER) -> None:
        self._store = store
        self.key = key
        self.issuer = issuer
        self._read: OrderedDict[str, Raw] = OrderedDict()  # signatures that were right stay right

    # Issuing

    def request(self, account: Object, asked: Raw) -> Raw:
        """The answer to a TokenRequest for `account`. Raises ApiError 400, 404, 409 or 422."""
        if asked.get("kind", _KIND) != _KIND:
            raise errors.bad_request(f"the object provided is a {asked.get('kind')}, not a {_KIND}")
        spec = asked.get("spec", {})
        seconds, audiences = _wanted(spec, account.name)
        audiences = audiences or (self.issuer,)
        now = int(time.time())
        private = self._private(account, spec.get("boundObjectRef"))
        claims: Raw = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "nbf": now,
            "sub": f"system:serviceaccount:{account.namespace}:{account.name}",
        }
        return {
            "kind": _KIND,
            "apiVersion": _VERSION,
            "metadata": {"name": account.name, "namespace": account.namespace, "creationTimestamp": timestamp(now)},
            "spec": {**spec, "audiences": list(audiences), "expirationSeconds": seconds},
            "status": {"token": self.key.sign(claims), "expirationTimestamp": timestamp(now + seconds)},
        }

    def _private(self, account: Object, reference: Any) -> Raw:
        private: Raw = {
            "namespace": account.namespace,
            "serviceaccount": {"name": account.name, "uid": account.uid},
        }
        if not reference:
            return private
        kind, name = str(reference.get("kind") or ""), str(reference.get("name") or "")
        if kind not in _BOUND or reference.get("apiVersion") != "v1":
            raise errors.bad_request(f"cannot bind token to object of type {reference.get('apiVersion')}, Kind={kind}")
        claim, resource = _BOUND[kind]
        found = self._store.get(resource, "" if kind == "Node" else account.namespace, name)
        if found is None:
            raise errors.not_found(_KINDS[kind], name)
        bound = found.object
        if reference.get("uid") and reference["uid"] != bound.uid:
            why = (
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise errors.conflict(_KINDS[kind], name, why)
        private[claim] = {"name": name, "uid": bound.uid}
        if kind == "Pod":  # a token may be bound to a pod (of its own account), a Secret or a Node
            if bound.spec.get("serviceAccountName", "default") != account.name:
                raise errors.bad_request(
                    f'cannot bind token for serviceaccount "{account.name}" to pod running with different '
                    "serviceaccount name."
                )
            node = self._store.get(("", "nodes"), "", str(bound.spec.get("nodeName") or ""))
            if node is not None:
                private["node"] = {"name": node.object.name, "uid": node.object.uid}
        return private

    def legacy(self, secret: Object, account: Object) -> str:
        """The token without end that a Secret of type kubernetes.io/service-account-token holds."""
        return self.key.sign(
            {
                "iss": _LEGACY_ISSUER,
                f"{_LEGACY}namespace": account.namespace,
                f"{_LEGACY}secret.name": secret.name,
                f"{_LEGACY}service-account.name": account.name,
                f"{_LEGACY}service-account.uid": account.uid,
                "sub": f"system:serviceaccount:{account.namespace}:{account.name}",
            }
        )

    # Reading

    def vouched(self, token: str, audiences: Sequence[str] = ()) -> Vouched | None:
        """None when `token` is none of this cluster's ServiceAccounts.

        audiences: those that will do; () for this API's. Raises ApiError 401, which says why, for one of ours that
        counts no more.
        """
        claims = self._claims(token)
        if claims is None:
            return None
        if claims.get("iss") == _LEGACY_ISSUER:
            if audiences and self.issuer not in audiences:
                raise _refused("Token has been invalidated: it is not for the audiences that were asked for")
            return Vouched(self._legacy_user(claims, token), tuple(audiences))
        now = time.time()
        if now >= claims["exp"]:
            raise _refused("service account token has expired")
        if now + 1 < claims["nbf"]:
            raise _refused("service account token is not valid yet")
        matching = tuple(each for each in audiences or (self.issuer,) if each in claims["aud"])
        if not matching:
            raise _refused(f"token audiences {claims['aud']} is invalid for the target audiences {list(audiences)}")
        return Vouched(self._user(claims), matching)

    def _claims(self, token: str) -> Raw | None:
        found = self._read.get(token)
        if found is None:
            issuer = (peeked(token) or {}).get("iss")
            if issuer not in (self.issuer, _LEGACY_ISSUER):
                return None
            found = self.key.read(token)
            if found is None:
                return None
            self._read[token] = found
            if len(self._read) > _REMEMBERED:
                self._read.popitem(last=False)
        return found

    def _user(self, claims: Raw) -> User:
        private = claims["kubernetes.io"]
        namespace, named = private["namespace"], private["serviceaccount"]
        self._check(_ACCOUNTS, namespace, named, "service account")
        extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",)}
        for kind, (claim, resource) in _BOUND.items():
            bound = private.get(claim)
            if bound is None:
                continue
            if claim != "node" or "pod" not in private:
                self._check(resource, "" if kind == "Node" else namespace, bound, claim)
            if claim in ("pod", "node"):
                extra[f"authentication.kubernetes.io/{claim}-name"] = (bound["name"],)
                extra[f"authentication.kubernetes.io/{claim}-uid"] = (bound["uid"],)
        return account_user(namespace, named["name"], named["uid"], extra)

    def _check(self, resource: Resource, namespace: str, named: Raw, what: str) -> None:
        """Checks that the object to which the token is bound is still the same one."""
        found = self._store.get(resource, namespace, named["name"])
        if found is None:
            raise _refused(
                f"{what} {namespace}/{named['name']} has been deleted"
                if what == "service account"
                else f"service account token has been invalidated: {what} {named['name']!r} has been deleted"
            )
        if found.object.uid != named["uid"]:
            raise _refused(f"{what} UID ({found.object.uid}) does not match claim ({named['uid']})")
        marked = found.object.raw["metadata"].get("deletionTimestamp")
        if marked and marked < timestamp(int(time.time()) - _LEEWAY):
            raise _refused(f"{what} {namespace}/{named['name']} has been deleted")

    def _legacy_user(self, claims: Raw, token: str) -> User:
        namespace, name = claims[f"{_LEGACY}namespace"], claims[f"{_LEGACY}service-account.name"]
        uid = claims[f"{_LEGACY}service-account.uid"]
        secret = self._store.get(("", "secrets"), namespace, claims[f"{_LEGACY}secret.name"])
        if secret is None or secret.object.deleting:
            raise _refused("Token has been invalidated")
        kept = base64.b64decode((secret.object.raw.get("data") or {}).get("token") or "").decode(errors="replace")
        if kept != token:
            raise _refused("Token does not match server's copy")
        self._check(_ACCOUNTS, namespace, {"name": name, "uid": uid}, "service account")
        return account_user(namespace, name, uid)


_KINDS = {"Pod": kinds.POD, "Secret": kinds.SECRET, "Node": kinds.NODE}


def _wanted(spec: Any, name: str) -> tuple[int, tuple[str, ...]]:
    """Seconds and audiences. Raises ApiError 400 or 422."""
    audiences = spec.get("audiences") or () if isinstance(spec, dict) else None
    seconds = spec.get("expirationSeconds", _HOUR) if isinstance(spec, dict) else None
    if not isinstance(audiences, list | tuple) or not isinstance(seconds, int) or isinstance(seconds, bool):
        raise errors.bad_request(f'{_KIND} in version "v1" cannot be handled as a {_KIND}')
    if not all(isinstance(each, str) for each in audiences):
        raise errors.bad_request(f'{_KIND} in version "v1" cannot be handled as a {_KIND}: spec.audiences')
    why = ""
    if seconds < _SHORTEST:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _LONGEST:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        message = f"Invalid value: {seconds}: {why}"
        raise errors.invalid(_REQUEST, name, ("spec.expirationSeconds", "FieldValueInvalid", message))
    return seconds, tuple(audiences)


_REQUEST = kinds.Kind("authentication.k8s.io", "v1", _KIND, "tokenrequests", subresources=())


def _refused(why: str) -> ApiError:
    return ApiError(401, "Unauthorized", why)
