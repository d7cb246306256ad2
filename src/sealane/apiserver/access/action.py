"""The action that a user asks for, in the words of roles.

Source: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go and pkg/authorization/authorizer (Attributes)
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sealane.apiserver.access.user import User

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAME_FIELD = "metadata.name="


class Action(msgspec.Struct, frozen=True):
    """`verb` on a resource, or, when `path` is set, on a path of the server that is about no resource.

    namespace "" is the cluster's scope (all namespaces); name "" is the collection.
    """

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def verb_of(method: str, name: str, *, watching: bool = False) -> str:
    """The verb of a request about a resource; `name` "" when its path names no object. watching: it asks to watch."""
    verb = _VERBS.get(method, "")
    if name:
        return verb
    if verb == "get":
        return "watch" if watching else "list"
    return "deletecollection" if verb == "delete" else verb


def name_selected(query: Mapping[str, str]) -> str:
    """The name to which a field selector confines a list, watch or deletecollection; "" when it does not.

    So that a role whose rule has resourceNames can list and watch those objects.
    """
    for part in query.get("fieldSelector", "").split(","):
        if part.startswith(_NAME_FIELD):
            return part[len(_NAME_FIELD) :].removeprefix("=")
    return ""
