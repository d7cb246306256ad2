"""Completions: the server's own changes to objects of a few kinds, the last part of admission.

A completion reads the store. A rule that needs only the object stands in the `Definition` of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from sealane.apiserver.addresses.keeping import Keeping
from sealane.apiserver.objects.states import born, new_metadata
from sealane.apiserver.registry import definitions
from sealane.apiserver.registry.resources import DEFINITIONS, NAMESPACES, Resources
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.store import Store
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw


def _complete(new: Raw, _old: Raw | None, _options: Write) -> Raw:
    return new


def _unnoticed(_new: Raw | None, _old: Raw | None) -> None:
    pass


class Completion(msgspec.Struct, frozen=True):
    """complete(new, old or None, options): `new` with what the server allocates. Raises ApiError.

    written(new, old): one of them (None: nothing) is on its way to the disk in place of the other; what has to come in
    the same commit is queued now.
    """

    complete: Callable[[Raw, Raw | None, Write], Raw] = _complete
    written: Callable[[Raw | None, Raw | None], None] = _unnoticed


PLAIN = Completion()


def completions(store: Store, resources: Resources, root_ca: str) -> Mapping[Resource, Completion]:
    """root_ca: PEM text for the ConfigMap of every namespace; "" for none."""
    keeping = Keeping(store)

    def defined(crd: Raw, old: Raw | None, options: Write) -> Raw:
        crd = definitions.completed(crd) if old is None else definitions.changed(crd, old)
        for each in definitions.warnings_of(crd):
            options.warn(each)
        return {**crd, "status": definitions.established(crd, resources.names, old)}

    def furnished(new: Raw | None, old: Raw | None) -> None:
        """The objects that every namespace holds come with it in one commit."""
        if old is not None or new is None:
            return
        namespace = new["metadata"]["name"]
        for kind, raw in namespace_objects(namespace, root_ca):
            served = resources.of(kind)
            address = Address(served.resource, namespace, raw["metadata"]["name"])
            if store.head(*address) is None:
                store.enqueue(address, store.stamped(born(served, raw, new_metadata(raw))))

    return {
        ("", "services"): Completion(lambda new, old, _options: keeping.allocated(new, old), keeping.service_written),
        (kinds.IPADDRESS.group, kinds.IPADDRESS.plural): Completion(written=keeping.address_written),
        DEFINITIONS: Completion(defined),
        NAMESPACES: Completion(written=furnished),
    }


def namespace_objects(namespace: str, root_ca: str) -> list[tuple[Kind, Raw]]:
    """The objects that every namespace holds from its beginning.

    Sources: https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts and
    https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-token-volume
    """
    found: list[tuple[Kind, Raw]] = [(kinds.SERVICEACCOUNT, {"metadata": {"name": "default", "namespace": namespace}})]
    if root_ca:
        note = {
            "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when "
            "using internal endpoints such as the internal service IP or kubernetes.default.svc."
        }
        metadata = {"name": "kube-root-ca.crt", "namespace": namespace, "annotations": note}
        found.append((kinds.CONFIGMAP, {"metadata": metadata, "data": {"ca.crt": root_ca}}))
    return found
