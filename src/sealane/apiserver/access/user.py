"""The user of a request. Source: k8s.io/apiserver/pkg/authentication/user (Info) and its well-known names."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sealane.kube.objects import Raw

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
SERVICE_ACCOUNTS = "system:serviceaccounts"
_ACCOUNT = "system:serviceaccount:"


class User(msgspec.Struct, frozen=True):
    """extra: what an authenticator adds, such as the pod that a token is bound to."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)

    @property
    def is_master(self) -> bool:
        """Members of system:masters are asked nothing: k8s.io/apiserver/pkg/authorization/authorizerfactory."""
        return MASTERS in self.groups

    def info(self) -> Raw:
        """authentication.k8s.io/v1 UserInfo."""
        found: Raw = {"username": self.name}
        if self.uid:
            found["uid"] = self.uid
        if self.groups:
            found["groups"] = list(self.groups)
        if self.extra:
            found["extra"] = {key: list(values) for key, values in self.extra.items()}
        return found

    @property
    def service_account(self) -> tuple[str, str] | None:
        """Namespace and name of the ServiceAccount that this user is."""
        if not self.name.startswith(_ACCOUNT):
            return None
        namespace, _, name = self.name[len(_ACCOUNT) :].partition(":")
        return (namespace, name) if namespace and name else None


ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
"""Who holds the token of the cluster's kubeconfig."""

CONTROL_PLANE = User("system:apiserver", (MASTERS, AUTHENTICATED))
"""The cluster's own processes, when no request over the network stands behind what they do."""

ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def account_user(namespace: str, name: str, uid: str = "", extra: Mapping[str, tuple[str, ...]] | None = None) -> User:
    """Source: k8s.io/apiserver/pkg/authentication/serviceaccount."""
    groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
    return User(f"{_ACCOUNT}{namespace}:{name}", groups, uid, extra or {})
