"""The user of a request: by client certificate or bearer token, anonymous, or impersonated by another user.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from sealane.apiserver import errors
from sealane.apiserver.access.action import Action
from sealane.apiserver.access.tokens import AccountTokens, Vouched
from sealane.apiserver.access.user import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User, account_user
from sealane.kube.client.protocol import ApiError

Headers = CIMultiDictProxy[str]

_BEARER = "bearer "
_AS_USER, _AS_GROUP, _AS_UID = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid"
_AS_EXTRA = "impersonate-extra-"
_AS = frozenset({"Impersonate-", "impersonate-", "IMPERSONATE-"})
_AUTHENTICATION = "authentication.k8s.io"


class Authenticator:
    """static: tokens that are users of their own. accounts: None where ServiceAccounts have no tokens."""

    def __init__(self, static: Mapping[str, User], accounts: AccountTokens | None) -> None:
        self._static = [(token.encode(), user) for token, user in static.items()]
        self._headers = [(b"Bearer " + token, user) for token, user in self._static]
        self._accounts = accounts

    def authenticate(self, headers: Headers, transport: Any) -> User:
        """Raises ApiError 401 for credentials that count for nothing. Without any: the anonymous user."""
        peer = transport.get_extra_info("peercert") if transport is not None else None
        if peer:
            return certified(peer, transport)
        authorization = headers.get("Authorization", "")
        if not authorization:
            return ANONYMOUS
        given = authorization.encode(errors="replace")
        for known, user in self._headers:
            if hmac.compare_digest(given, known):
                return user
        if authorization[: len(_BEARER)].lower() == _BEARER:
            vouched = None
            with suppress(ApiError):  # a client without proof of its user is not told why
                vouched = self.vouched(authorization[len(_BEARER) :].strip())
            if vouched is not None:
                return vouched.user
        raise ApiError(401, "Unauthorized", "Unauthorized")

    def vouched(self, token: str, audiences: Sequence[str] = ()) -> Vouched | None:
        """Who `token` speaks for; None when nobody knows it. Raises ApiError 401 for one that counts no more."""
        given = token.encode(errors="replace")
        for known, user in self._static:
            if hmac.compare_digest(given, known):
                return Vouched(user, tuple(audiences))
        return None if self._accounts is None else self._accounts.vouched(token, audiences)


def certified(peer: Mapping[str, Any], transport: Any) -> User:
    """The user of a client certificate that the handshake has verified: CN is the name, each O a group.

    peer: as `ssl.SSLSocket.getpeercert` gives it. Raises ApiError 401 once it has expired.
    """
    if time.time() > ssl.cert_time_to_seconds(peer["notAfter"]):
        raise ApiError(401, "Unauthorized", "Unauthorized")
    subject = [pair for relative in peer.get("subject", ()) for pair in relative]
    name = next((value for key, value in subject if key == "commonName"), "")
    if not name:
        raise ApiError(401, "Unauthorized", "Unauthorized")
    groups = tuple(value for key, value in subject if key == "organizationName")
    extra: dict[str, tuple[str, ...]] = {}
    der = transport.get_extra_info("ssl_object").getpeercert(True)
    if der:
        digest = hashlib.sha256(der).hexdigest()
        extra["authentication.kubernetes.io/credential-id"] = (f"X509SHA256={digest}",)
    return User(name, (*groups, AUTHENTICATED), "", extra)


def impersonated(user: User, headers: Headers, check: Callable[[Action], None]) -> User:
    """The user that `user` impersonates. check: raises ApiError 403 for an impersonation that is not allowed.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
    """
    if _AS.isdisjoint([key[:12] for key in headers]):
        return user
    name = headers.get(_AS_USER, "")
    groups = headers.getall(_AS_GROUP, [])
    uid = headers.get(_AS_UID, "")
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in headers.items():
        if key.lower().startswith(_AS_EXTRA):
            word = unquote(key[len(_AS_EXTRA) :]).lower()
            extra[word] = (*extra.get(word, ()), value)
    if not name:
        raise errors.bad_request(f"requested {[*groups, *extra]} without impersonating a user")
    wanted = User(name, tuple(groups), uid, extra)
    for action in _impersonations(user, wanted):
        check(action)
    return _completed(wanted)


def _impersonations(user: User, wanted: User) -> Iterator[Action]:
    """The impersonations, each of which has to be allowed."""
    account = wanted.service_account
    if account is not None:
        namespace, name = account
        yield Action(user, "impersonate", resource="serviceaccounts", namespace=namespace, name=name, version="v1")
    else:
        yield Action(user, "impersonate", resource="users", name=wanted.name, version="v1")
    for group in wanted.groups:
        yield Action(user, "impersonate", resource="groups", name=group, version="v1")
    for key, values in wanted.extra.items():
        for value in values:
            yield Action(user, "impersonate", _AUTHENTICATION, "v1", "userextras", key, name=value)
    if wanted.uid:
        yield Action(user, "impersonate", _AUTHENTICATION, "v1", "uids", name=wanted.uid)


def _completed(wanted: User) -> User:
    """With the groups that everybody of this kind is in."""
    groups = wanted.groups
    if wanted.service_account is not None and not groups:
        groups = account_user(*wanted.service_account).groups
    elif wanted.name == ANONYMOUS.name:
        groups = groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups = (*groups, AUTHENTICATED)
    return User(wanted.name, groups, wanted.uid, wanted.extra)
