"""The client protocol: the only way controllers and node agent speak with a cluster.

Two implementations: `kube.client.http` (any kubeconfig) and `apiserver.local` (in process, no sockets).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Protocol

import msgspec

from sealane.kube.kinds import Kind
from sealane.kube.objects import Object, Raw

PatchType = Literal["json", "merge", "strategic"]


class ApiError(Exception):
    """A `Status` answer of the API: `code` (HTTP), `reason` ("NotFound", "Conflict", "AlreadyExists", …), message.

    metadata: of the Status itself, such as a `continue` token.
    """

    def __init__(
        self, code: int, reason: str, message: str, details: Raw | None = None, metadata: Raw | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.metadata = metadata or {}

    def status(self) -> Raw:
        """The meta/v1 Status object of this error."""
        status: Raw = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            status["details"] = self.details
        return status


class ObjectList(msgspec.Struct, frozen=True):
    items: tuple[Object, ...]
    resource_version: str


class WatchEvent(msgspec.Struct, frozen=True):
    """type: ADDED, MODIFIED, DELETED or BOOKMARK (only metadata.resourceVersion is set on a bookmark)."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Object


class Client(Protocol):
    """Every method raises ApiError for an answer that is not 2xx, and OSError when the server cannot be reached.

    namespace None lists or watches all namespaces. `labels` and `fields` are selectors in their string form.
    """

    async def get(self, kind: Kind, namespace: str, name: str) -> Object: ...

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> ObjectList: ...

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        """Batches of events after `resource_version`. Raises ApiError 410 when that version is too old."""
        ...

    async def create(self, kind: Kind, raw: Raw) -> Object: ...

    async def bind(self, pod: Object, node: str) -> None:
        """Assigns a pod that has no node: POST pods/NAME/binding. 409 Conflict when it has one, or is another pod."""
        ...

    async def account_token(self, namespace: str, name: str, spec: Raw) -> Raw:
        """A new token of a ServiceAccount: POST serviceaccounts/NAME/token. `spec` and the result: of a TokenRequest,
        its spec and its status.
        """
        ...

    async def update(self, kind: Kind, raw: Raw, *, subresource: str = "") -> Object:
        """Replaces the object; 409 Conflict when raw's resourceVersion is set and not the stored one."""
        ...

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        *,
        type: PatchType = "merge",  # noqa: A002 - the API's own word
        subresource: str = "",
    ) -> Object: ...

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
        uid: str | None = None,
    ) -> None: ...


def binding(pod: Object, node: str) -> Raw:
    """The Binding that `Client.bind` sends (core/v1)."""
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
