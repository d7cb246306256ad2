"""The door for programs: the names that `sealane` exports. See docs/library.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from weakref import WeakKeyDictionary

from sealane.cluster import bootstrap
from sealane.explain import trace as tracing
from sealane.explain.expect import expected
from sealane.explain.parties import Unknown
from sealane.explain.steps import Trace
from sealane.explain.world import World
from sealane.kube import manifests
from sealane.kube.kinds import NODE
from sealane.kube.objects import Object
from sealane.network.model import Network
from sealane.network.policies.foreign import is_foreign

__all__ = ["BadManifests", "Network", "Trace", "Unknown", "load", "trace", "world_of"]


class BadManifests(ValueError):
    """Manifests with problems. Its text has one line each, as `sealane up` says them: file:line, object, field."""

    def __init__(self, problems: Iterable[manifests.ManifestProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def load(*paths: str | Path) -> list[Object]:
    """The objects of files and folders (all *.yaml, *.yml and *.json below), each with the line of every field.

    Policies of kinds that are not modelled are among them, as they are. Raises BadManifests.
    """
    loaded = manifests.load(paths, taken=is_foreign)
    if loaded.problems:
        raise BadManifests(loaded.problems)
    return list(loaded.objects)


def trace(
    network: Network, source: str, target: str, *, namespace: str = "default", port: str | int | None = None
) -> Trace:
    """Whether a connection from one party to another is answered, and each thing that decides it on the way.

    source, target: as for `sealane trace`: "deploy/web", "shop/web-0", "svc/cart", "http://cart/items", "10.96.0.10",
    "outside", "node/node-1". Where `network` has no pods and addresses yet, as manifests have none, it is answered for
    the cluster that they would become. Raises Unknown for a party that is not there.
    """
    return tracing.trace(_world(network), source, target, namespace, str(port) if port is not None else None)


def world_of(objects: Iterable[Object]) -> World:
    """The cluster that manifests would become: with the DNS, classes and namespaces that every cluster has of its own,
    unless they bring them."""
    own = {item.key: item for item in (Object(raw) for _, raw in bootstrap.objects(dns_replicas=2))}
    return World(expected((own | {item.key: item for item in objects}).values()))


_worlds: WeakKeyDictionary[Network, tuple[list[Object], World]] = WeakKeyDictionary()


def _world(network: Network) -> World:
    """Of the objects as they are now; kept until one of them is another."""
    objects = network.objects.all()
    known, world = _worlds.get(network, ((), None))
    if world is None or len(known) != len(objects) or any(a is not b for a, b in zip(known, objects, strict=True)):
        whole = any(item.kind == NODE.kind for item in objects)
        world = World(expected(objects)) if whole else world_of(objects)
        _worlds[network] = objects, world
    return world
