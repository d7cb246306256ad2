"""The preparation of a write from the newest state, before it is queued: checked, admitted, with its managers recorded.

Source: k8s.io/apiserver/pkg/registry/generic/registry (Store.Create, Store.Update) and pkg/registry/rest
"""

from __future__ import annotations

from collections.abc import Callable

from sealane.apiserver import errors
from sealane.apiserver.admission.admission import Admission
from sealane.apiserver.admission.attempts import Attempt
from sealane.apiserver.clock import timestamp
from sealane.apiserver.objects.fieldsets import Shape, shape_of, structural
from sealane.apiserver.objects.metadata import check_envelope, check_name, generated_name, with_metadata
from sealane.apiserver.objects.ownership import created, updated
from sealane.apiserver.objects.states import born, counted, new_metadata, replacing
from sealane.apiserver.objects.subresources import scale_of, scaled
from sealane.apiserver.registry.resources import NAMESPACES, Served
from sealane.apiserver.storage.backends import Address
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Stored
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.kinds.defaulting import defaulted
from sealane.kube.objects import Raw

_GENERATED_TRIES = 8
_UNNAMED = "sealane"
"""Manager of what the cluster's own controllers write."""


class Preparation:
    """Of one Api. Nothing here waits or writes."""

    def __init__(self, store: Store, admission: Admission, shown: Callable[[Served, Stored], Stored]) -> None:
        """shown: a stored state in the version that is served."""
        self._store = store
        self._admission = admission
        self._shown = shown

    @staticmethod
    def shape(served: Served) -> Shape:
        """The shape by which server-side apply merges objects of this kind."""
        if served.schema is not None:
            return structural(served.schema.schema, root=True)
        return shape_of(served.kind.api_version, served.kind.kind)

    def named(self, served: Served, namespace: str, raw: Raw, *, applies: bool = False) -> Raw:
        """A new object with all of its metadata. applies: `raw` says who manages what. Raises ApiError."""
        kind = served.kind
        check_envelope(kind, raw)
        metadata = new_metadata(raw)
        if metadata.pop("resourceVersion", ""):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if not applies:
            metadata.pop("managedFields", None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = self._free_name(served, namespace, metadata["generateName"])
        check_name(kind, metadata.get("name") or "", served.definition.names)
        if kind.namespaced:
            metadata["namespace"] = metadata.get("namespace") or namespace
            if metadata["namespace"] != namespace:
                why = "the namespace of the provided object does not match the namespace sent on the request"
                raise errors.bad_request(why)
        else:
            metadata.pop("namespace", None)
        return born(served, raw, metadata)

    def new(self, served: Served, named: Raw, options: Write, *, applies: bool = False) -> Raw:
        """`named` as the server keeps it. Raises ApiError."""
        metadata = named["metadata"]
        namespace, name = metadata.get("namespace") or "", metadata["name"]
        if served.kind.namespaced:
            self._check_namespace(served.kind, namespace, name)
        there = self._store.head(served.resource, namespace, name)
        if there is not None:
            raise errors.already_exists(served.kind, name, deleting=there.object.deleting)
        made = self._admission.create(served, named, options)
        if options.manager and not applies:
            sent = defaulted(named) if served.by_facts else made
            made = created(made, sent, options.manager, self.shape(served), timestamp())
        return made

    def next(
        self,
        served: Served,
        address: Address,
        change: Callable[[Raw], Raw],
        subresource: str,
        options: Write,
        *,
        applies: bool = False,
    ) -> tuple[Stored, Raw, Raw]:
        """The newest state as it is stored and as it is shown, and what `change` makes of it.

        applies: `change` says who manages what. Raises ApiError.
        """
        stored = self._store.head(*address)
        if stored is None:
            raise errors.not_found(served.kind, address.name)
        old = self._shown(served, stored).object.raw
        sent: Raw | None = None
        if subresource == "binding":
            new = change(old)
        elif subresource == "scale":
            new = scaled(served, old, self._scale(served, old, change, options))
        else:
            sent = wanted = change(old)
            new = replacing(served, old, wanted, subresource)
            if applies:
                new = with_metadata(new, managedFields=wanted["metadata"].get("managedFields"))
        told = not subresource and sent is not None and sent.get("status") != old.get("status")  # also if it is dropped
        if subresource in ("", "status", "approval", "ephemeralcontainers") and (new != old or told):
            new = self._admission.update(served, new, old, subresource, options, sent)
        if not applies and new != old:
            manager = options.manager or _UNNAMED
            new = updated(old, new, manager, self.shape(served), subresource=subresource, now=timestamp())
        return stored, old, (new if subresource == "binding" else counted(served, old, new))

    def _scale(self, served: Served, old: Raw, change: Callable[[Raw], Raw], options: Write) -> Raw:
        """The Scale that `change` wants, once admitted."""
        before = scale_of(served, old)
        wanted = change(before)
        if not isinstance(wanted, dict):
            return wanted
        metadata = wanted.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise errors.bad_request("json: cannot unmarshal metadata into Go struct field Scale.metadata")
        wanted = {**wanted, "metadata": {**before["metadata"], **metadata}}
        return self._admission.part(Attempt("UPDATE", served, wanted, before, "scale", options))

    def check_replacement(self, served: Served, namespace: str, name: str, raw: Raw, subresource: str) -> None:
        """Checks that `raw`, the body of a PUT, is for this place. Raises ApiError 400 or 422."""
        kind = served.kind
        check_envelope(kind, raw)
        metadata = raw.get("metadata") or {}
        if not metadata.get("name"):
            why = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
            raise errors.bad_request(why)
        if metadata["name"] != name:
            why = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise errors.bad_request(why)
        if kind.namespaced and metadata.get("namespace") not in (None, "", namespace):
            raise errors.bad_request(
                f"the namespace of the object ({metadata['namespace']}) does not match the namespace on the request "
                f"({namespace})"
            )
        if not metadata.get("resourceVersion") and served.definition.conditional:
            there = self._store.head(served.resource, namespace if kind.namespaced else "", name) is not None
            if there or not served.definition.made_by_update:
                why = "Invalid value: 0x0: must be specified for an update"
                raise errors.invalid(kind, name, ("metadata.resourceVersion", "FieldValueInvalid", why))

    def _free_name(self, served: Served, namespace: str, prefix: str) -> str:
        for _ in range(_GENERATED_TRIES):
            name = generated_name(prefix)
            if self._store.head(served.resource, namespace if served.kind.namespaced else "", name) is None:
                return name
        raise errors.already_exists(served.kind, name)

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        found = self._store.head(NAMESPACES, "", namespace)
        if found is None:
            raise errors.not_found(kinds.NAMESPACE, namespace)
        if found.object.deleting:
            raise errors.terminating(kind, name, namespace)
