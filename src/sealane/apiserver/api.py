"""The API itself: every verb as a coroutine, without HTTP.

A write is prepared and queued in one step on the event loop, so nothing comes between its checks and its place in the
order of versions; it is answered once it is on disk. Source of the semantics:
https://kubernetes.io/docs/reference/using-api/api-concepts/ and k8s.io/apiserver/pkg/registry/generic/registry
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sealane.apiserver import errors
from sealane.apiserver.access.rbac import Authorizer
from sealane.apiserver.access.tokens import AccountTokens
from sealane.apiserver.admission import plugins
from sealane.apiserver.admission.admission import Admission
from sealane.apiserver.admission.attempts import Attempt, Operation, Steps
from sealane.apiserver.admission.completion import completions
from sealane.apiserver.admission.webhooks.gate import Webhooks
from sealane.apiserver.clock import timestamp
from sealane.apiserver.node_agent import LogReader, Streams
from sealane.apiserver.objects.apply import applied
from sealane.apiserver.objects.deletion import PLAIN, Deletion, check_preconditions, finished, marked
from sealane.apiserver.objects.metadata import check_envelope
from sealane.apiserver.objects.subresources import bound
from sealane.apiserver.preparing import Preparation
from sealane.apiserver.reading import Reader, converted, shown
from sealane.apiserver.registry.conversion import in_version
from sealane.apiserver.registry.resources import DEFINITIONS, Resources, Served
from sealane.apiserver.storage.backends import Address
from sealane.apiserver.storage.listing import EVERYTHING, ListOptions
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Event, Stored, encode
from sealane.apiserver.storage.watch import Hub
from sealane.apiserver.write import ORDINARY, Write
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError, PatchType
from sealane.kube.kinds import Kind
from sealane.kube.kinds.defaulting import defaulted
from sealane.kube.objects import Object, Raw, canonical_version
from sealane.kube.patches import apply_patch

_AT_ONCE = 250  # deletions in one turn of the event loop

if TYPE_CHECKING:
    from sealane.apiserver.admission.webhooks.calls import OpenSocket


class Api:
    """Everything a cluster's API does with its `store` when it is asked. Use it in one event loop.

    What follows from commits (garbage collection, quotas, …) is done by `followers`; `server` puts both together.
    root_ca: PEM text of the CA for the ConfigMap kube-root-ca.crt of every namespace; "" for none.
    accounts: who signs tokens of ServiceAccounts; None for nobody.
    open_socket: makes sockets from which pods and Services can be reached; None: this process's network will do.
    """

    def __init__(
        self,
        store: Store,
        log_reader: LogReader | None = None,
        root_ca: str = "",
        streams: Streams | None = None,
        accounts: AccountTokens | None = None,
        open_socket: OpenSocket | None = None,
    ) -> None:
        self.store = store
        self.open_socket = open_socket
        self.log_reader = log_reader
        self.streams = streams
        self.root_ca = root_ca
        self.accounts = accounts
        self.authorizer = Authorizer(store)
        self.resources = Resources()
        self.hub = Hub(store)
        reader = Reader(store, self.resources, self.hub)
        self.get, self.list, self.page, self.watch = reader.get, reader.list, reader.page, reader.watch
        self.check_selectors = reader.selection
        for crd in store.items(DEFINITIONS):
            self._define(crd.object, None)
        self.webhooks = Webhooks(store, open_socket, _completed)
        steps = Steps(plugins.steps(store, self.authorizer, self.resources), self.webhooks)
        self.admission = Admission(steps, completions(store, self.resources, root_ca))
        store.subscribe(self._committed)
        self._preparation = Preparation(store, self.admission, converted)

    # Writing

    async def create(
        self, kind: Kind, namespace: str, raw: Raw, options: Write = ORDINARY, *, applies: bool = False
    ) -> Stored:
        """applies: `raw` is what an apply made, and says who manages what."""
        served, prepare = self.resources.of(kind), self._preparation
        try:
            named = prepare.named(served, namespace, raw, applies=applies)
            new = await self.webhooks.decided(
                options, lambda options: prepare.new(served, named, options, applies=applies)
            )
        except ApiError:
            await self.store.flush()  # the state that refuses it is on disk when the client hears of it
            raise
        metadata = new["metadata"]
        address = Address(served.resource, metadata.get("namespace") or "", metadata["name"])
        return await self._put(served, address, None, new, options)

    async def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        raw: Raw,
        *,
        subresource: str = "",
        options: Write = ORDINARY,
    ) -> Stored:
        """Replaces the object, or the part of it that `subresource` is about.

        Raises ApiError 409 when `raw` was made from another state than the newest.
        """
        return (await self.put(kind, namespace, name, raw, subresource=subresource, options=options))[0]

    async def put(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        raw: Raw,
        *,
        subresource: str = "",
        options: Write = ORDINARY,
    ) -> tuple[Stored, bool]:
        """`update`, and whether it made the object: some kinds can be made so."""
        served = self.resources.of(kind)
        if subresource != "scale":
            self._preparation.check_replacement(served, namespace, name, raw, subresource)
        address = Address(served.resource, namespace if kind.namespaced else "", name)
        if not subresource and served.definition.made_by_update and self.store.head(*address) is None:
            if (raw.get("metadata") or {}).get("uid") or (raw.get("metadata") or {}).get("resourceVersion"):
                raise errors.not_found(kind, name)
            return await self.create(kind, namespace, raw, options), True
        return await self.change(served, namespace, name, lambda _old: raw, subresource, options), False

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        *,
        type: PatchType = "merge",  # noqa: A002 - the API's own word
        subresource: str = "",
        options: Write = ORDINARY,
    ) -> Stored:
        def patched(old: Raw) -> Raw:
            new = apply_patch(kind, old, patch, type)
            if subresource != "scale":
                check_envelope(kind, new)
            return new

        return await self.change(self.resources.of(kind), namespace, name, patched, subresource, options)

    async def apply(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        config: Raw,
        *,
        subresource: str = "",
        options: Write = ORDINARY,
    ) -> tuple[Stored, bool]:
        """Server-side apply by options.manager; whether this made the object. Raises ApiError 409 for a conflict."""
        served = self.resources.of(kind)
        check_envelope(kind, config)
        metadata = {**(config.get("metadata") or {})}
        if metadata.setdefault("name", name) != name:
            why = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise errors.bad_request(why)
        version = canonical_version(config.get("apiVersion") or kind.api_version)
        if version != kind.api_version:
            raise errors.bad_request(
                "Incorrect version specified in apply patch. Specified patch version: "
                f"{version}, expected: {kind.api_version}"
            )
        config = {"kind": kind.kind, **config, "apiVersion": version, "metadata": metadata}
        if not options.manager:
            raise errors.invalid_options(
                "PatchOptions", ("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
            )
        shape = self._preparation.shape(served)

        def applied_to(live: Raw | None) -> Raw:
            return applied(
                live, config, options.manager, shape, force=options.force, subresource=subresource, now=timestamp()
            )

        address = Address(served.resource, namespace if kind.namespaced else "", name)
        if self.store.head(*address) is None and not subresource:
            self.authorizer.check_create(options.user, served.kind, address.namespace, name)
            if metadata.get("resourceVersion"):
                raise errors.conflict(kind, name, "the object to apply to does not exist")
            return await self.create(kind, namespace, applied_to(None), options, applies=True), True
        stored = await self.change(served, namespace, name, applied_to, subresource, options, applies=True)
        return stored, False

    async def bind(self, namespace: str, name: str, binding: Raw, options: Write = ORDINARY) -> None:
        """Assigns a pod to a node: POST pods/NAME/binding."""
        served = self.resources.of(kinds.POD)
        binding = await self.part("CREATE", namespace, name, "binding", {**_BINDING, **binding}, options)
        await self.change(served, namespace, name, lambda old: bound(old, binding), "binding", options)

    async def part(
        self,
        operation: Operation,
        namespace: str,
        name: str,
        subresource: str,
        part: Raw,
        options: Write,
        kind: Kind = kinds.POD,
    ) -> Raw:
        """A part of an object after its webhooks: a Binding, the options of a stream. Raises ApiError."""
        if not self.webhooks.active:
            return part
        part = {**part, "metadata": {**(part.get("metadata") or {}), "name": name, "namespace": namespace}}
        served = self.resources.of(kind)
        return await self.webhooks.decided(
            options,
            lambda options: self.admission.part(Attempt(operation, served, part, None, subresource, options)),
        )

    async def account_token(self, namespace: str, name: str, asked: Raw) -> Raw:
        """The answer to a TokenRequest for a ServiceAccount."""
        account = await self.get(kinds.SERVICEACCOUNT, namespace, name)
        if self.accounts is None:
            raise ApiError(501, "NotImplemented", "this server signs no tokens")
        return self.accounts.request(account.object, asked)

    async def change(
        self,
        served: Served,
        namespace: str,
        name: str,
        change: Callable[[Raw], Raw],
        subresource: str = "",
        options: Write = ORDINARY,
        applies: bool = False,
    ) -> Stored:
        """Writes what `change` makes of the newest state, in one step.

        "binding" as subresource: whatever `change` makes, unchecked. applies: `change` says who manages what.
        """
        address = Address(served.resource, namespace if served.kind.namespaced else "", name)
        prepare = self._preparation
        try:
            old, before, new = await self.webhooks.decided(
                options, lambda options: prepare.next(served, address, change, subresource, options, applies=applies)
            )
        except ApiError:
            await self.store.flush()
            raise
        if new == before:
            await self.store.flush()  # it may still wait for its commit
            return shown(served, old, subresource)
        stored = await self._put(served, address, old, new, options)
        return shown(served, stored, subresource)

    async def _put(self, served: Served, address: Address, old: Stored | None, raw: Raw, options: Write) -> Stored:
        raw = in_version(raw, served.storage.api_version)
        if options.dry_run:
            stored = Stored(old.version if old else 0, Object(raw), encode(raw))
        else:
            stored = self.store.stamped(raw)
            gone = old is not None and finished(served, raw)
            self.store.enqueue(address, stored, gone)
            self.admission.written(served, None if gone else raw, old.object.raw if old else None)
            await self.store.flush()
        return converted(served, stored)

    # Deleting

    async def delete(self, kind: Kind, namespace: str, name: str, options: Deletion = PLAIN) -> tuple[Stored, bool]:
        """The last state and whether it is gone; when it is not, it is marked and goes later."""
        served = self.resources.of(kind)
        try:
            stored, gone = await self._delete(
                served, Address(served.resource, namespace if kind.namespaced else "", name), options
            )
        finally:
            await self.store.flush()
        return converted(served, stored), gone

    async def _delete(self, served: Served, address: Address, options: Deletion) -> tuple[Stored, bool]:
        """The same, up to the commit: it waits for webhooks only."""
        write = Write(dry_run=options.dry_run, user=options.user)
        old = await self.webhooks.decided(write, lambda write: self._deletable(served, address, options, write))
        before = old.object.raw
        raw = marked(served, before, options)
        gone = finished(served, raw)
        if options.dry_run or (raw is before and not gone):
            return old, gone
        stored = self.store.stamped(raw)
        self.store.enqueue(address, stored, gone)
        if gone:
            self.admission.written(served, None, before)
        return stored, gone

    def _deletable(self, served: Served, address: Address, options: Deletion, write: Write) -> Stored:
        """The newest state, which may be deleted. Raises ApiError."""
        old = self.store.head(*address)
        if old is None:
            raise errors.not_found(served.kind, address.name)
        if address.name in served.definition.undeletable:
            why = f"this {served.kind.singular} may not be deleted"
            raise errors.forbidden(served.kind, address.name, why)
        check_preconditions(served.kind, old.object, options)
        self.admission.delete(served, converted(served, old).object.raw, write)
        return old

    async def delete_collection(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        options: Deletion = PLAIN,
        limits: ListOptions = EVERYTHING,
    ) -> Sequence[Stored]:
        """Deletes what is selected now (the page of it that `limits` names); returns what that was.

        So many at a time that others have their turn. Raises the first refusal but those of what others have deleted.
        """
        served = self.resources.of(kind)
        found = (await self.page(kind, namespace, limits, labels=labels, fields=fields)).items
        try:
            for number, stored in enumerate(found, 1):
                address = Address(
                    served.resource, stored.object.namespace if kind.namespaced else "", stored.object.name
                )
                try:
                    await self._delete(served, address, options)
                except ApiError as error:
                    if error.code not in (404, 409):
                        raise
                if number % _AT_ONCE == 0:
                    await self.store.flush()
        finally:
            await self.store.flush()
        return found

    # Work that follows from commits

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.address.resource == DEFINITIONS:
                if event.type == "DELETED":
                    self.resources.undefine(event.stored.object)
                else:
                    self._define(event.stored.object, event.before.object if event.before else None)

    def _define(self, crd: Object, before: Object | None) -> None:
        spec = crd.spec
        resource = (str(spec.get("group")), str((spec.get("names") or {}).get("plural")))
        self.resources.define(crd, before, empty=not any(self.store.items(resource)))


_BINDING = {"apiVersion": "v1", "kind": "Binding"}


def _completed(attempt: Attempt, raw: Raw) -> Raw:
    """The object that a webhook answered, with the defaults of its kind."""
    if attempt.served.by_facts or attempt.subresource == "scale":
        return defaulted(raw)
    from sealane.apiserver.registry import custom

    return custom.decoded(attempt.served, raw, ORDINARY)
