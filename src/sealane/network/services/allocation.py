"""Addresses and ports of Services: values filled in and refused in spec.clusterIP(s), ipFamilies and nodePort.

The API server calls these rules at each write; `explain` calls them for manifests that no server has seen.

Sources: https://kubernetes.io/docs/concepts/services-networking/dual-stack/,
https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/ (the static band, KEP-3070) and
https://kubernetes.io/docs/concepts/services-networking/service/#avoid-nodeport-collisions (KEP-3668).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from sealane.kube.kinds.services.changes import ADDRESS_FIELDS, without_node_ports
from sealane.kube.objects import Raw
from sealane.network.addresses import NODE_PORTS, SERVICES, IPNetwork

FAMILIES = ("IPv4", "IPv6")
_STATIC_PORTS = 86  # min(max(16, size / 32), 128)

Owner = tuple[str, str]
"""Namespace and name of a Service."""


class Refused(ValueError):
    """A field cannot be as it is. reason: FieldValueInvalid, FieldValueNotSupported, FieldValueForbidden."""

    def __init__(self, path: str, reason: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path, self.reason, self.text = path, reason, text


class Exhausted(Exception):
    """A range has nothing left to give."""


@dataclass
class Allocated:
    """The holder of each address and node port, and the place where the search for the next free one begins."""

    addresses: dict[str, Owner] = field(default_factory=dict)
    ports: dict[int, Owner] = field(default_factory=dict)
    ranges: Sequence[IPNetwork] = SERVICES
    next_address: dict[IPNetwork, int] = field(default_factory=dict)
    next_port: int = _STATIC_PORTS

    def hold(self, service: Raw) -> None:
        owner = owner_of(service)
        for address in addresses(service):
            self.addresses[address] = owner
        for port in node_ports(service):
            self.ports[port] = owner

    def release(self, service: Raw) -> None:
        owner = owner_of(service)
        for address in addresses(service):
            if self.addresses.get(address) == owner:
                del self.addresses[address]
        for port in node_ports(service):
            if self.ports.get(port) == owner:
                del self.ports[port]

    def free_address(self, family: str) -> str | None:
        """The next free one, round and round: what was released is not handed out at once."""
        for network in self.of_family(family):
            size = min(network.num_addresses - 2, 1 << 16)
            static = static_band(network)
            start = self.next_address.get(network, static)
            for step in range(size):
                offset = 1 + (start + step) % size
                if offset <= static and step < size - static:
                    continue  # the static band comes last
                address = str(network[offset])
                if address not in self.addresses:
                    self.next_address[network] = offset
                    return address
        return None

    def of_family(self, family: str) -> list[IPNetwork]:
        return [network for network in self.ranges if network.version == (4 if family == FAMILIES[0] else 6)]

    def free_port(self, taken: set[int]) -> int | None:
        size = len(NODE_PORTS)
        for step in range(size):
            offset = (self.next_port + step) % size
            if offset < _STATIC_PORTS and step < size - _STATIC_PORTS:
                continue
            port = NODE_PORTS[offset]
            if port not in self.ports and port not in taken:
                self.next_port = offset + 1
                return port
        return None


def static_band(network: IPNetwork) -> int:
    """The number of a range's first addresses that are only for Services that ask for one of them."""
    return min(max(16, network.num_addresses // 16), 256, max(network.num_addresses - 3, 0))


def allocate(service: Raw, old: Raw | None, allocated: Allocated) -> Raw:
    """`service` with its addresses and node ports, which are not held yet. Raises Refused and Exhausted."""
    spec = dict(service.get("spec") or {})
    was: Mapping[str, Any] = (old or {}).get("spec") or {}
    owner = owner_of(service)
    if spec.setdefault("type", "ClusterIP") == "ExternalName":
        kept = {key: value for key, value in spec.items() if key not in ADDRESS_FIELDS}
        return {**service, "spec": {**kept, **({"ports": without_node_ports(spec)} if spec.get("ports") else {})}}
    _addresses_of(owner, spec, was, allocated)
    _ports_of(owner, spec, was, allocated)
    return {**service, "spec": spec}


def _addresses_of(owner: Owner, spec: Raw, was: Mapping[str, Any], allocated: Allocated) -> None:
    asked = list(spec.get("clusterIPs") or ())
    if was.get("clusterIPs") and was.get("type") != "ExternalName":
        asked = _without_second(spec, was, asked)
        # An object that is written without addresses keeps those it has.
        if not spec.get("clusterIP"):
            spec["clusterIP"] = was["clusterIP"]
        if not asked:
            asked = list(was["clusterIPs"])
        if spec["clusterIP"] != was["clusterIP"] or asked[0] != was["clusterIPs"][0]:
            raise _refused("spec.clusterIPs[0]", asked, "may not change once set")
        spec.setdefault("ipFamilies", list(was.get("ipFamilies") or ()))
        spec.setdefault("ipFamilyPolicy", was.get("ipFamilyPolicy") or "SingleStack")
        if spec["clusterIP"] != "None" and spec["ipFamilyPolicy"] != "SingleStack":
            for what, now, before in (
                ("cluster IP", asked, was["clusterIPs"]),
                ("IP family", spec["ipFamilies"], was.get("ipFamilies") or ()),
            ):
                if len(now) < len(before):
                    why = f"must be 'SingleStack' to release the secondary {what}"
                    raise _refused("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why)
        if spec["ipFamilies"][:1] != (was.get("ipFamilies") or [])[:1]:
            raise _refused("spec.ipFamilies[0]", spec["ipFamilies"][0], "may not change once set")
        if spec["clusterIP"] != "None" and len(was["clusterIPs"]) > 1 and asked[1:] not in ([], was["clusterIPs"][1:]):
            raise _refused("spec.clusterIPs[1]", asked, "may not change once set")
    elif spec.get("clusterIP") and not asked:
        asked = [spec["clusterIP"]]
    elif asked and spec.setdefault("clusterIP", asked[0]) != asked[0]:
        raise _refused("spec.clusterIPs", asked, "first value must match `clusterIP`")
    headless = asked[:1] == ["None"]
    if headless and len(asked) > 1:
        raise _refused("spec.clusterIPs", asked, "'None' must be the first and only value")
    families = _families(spec, [] if headless else asked, headless)
    if headless:
        spec["clusterIPs"] = ["None"]
        return
    held = set(was.get("clusterIPs") or ())
    found: list[str] = []
    for family in families:
        explicit = next((each for each in asked if _family(each, asked) == family), None)
        if explicit is not None:
            found.append(_explicit(explicit, asked, family, owner, held, allocated))
            continue
        address = allocated.free_address(family)
        if address is None:
            raise Exhausted("failed to allocate a serviceIP: range is full")
        found.append(address)
    spec["clusterIPs"] = found
    spec["clusterIP"] = found[0]


def _without_second(spec: Raw, was: Mapping[str, Any], asked: list[str]) -> list[str]:
    """A client that goes back to a single stack need not take away the second address and family.

    Source: trimFieldsForDualStackDowngrade in pkg/registry/core/service/strategy.go
    """
    if spec.get("ipFamilyPolicy") != "SingleStack" or was.get("ipFamilyPolicy") == "SingleStack":
        return asked
    if spec.get("ipFamilies", was.get("ipFamilies")) == was.get("ipFamilies") and asked in ([], was["clusterIPs"]):
        spec["ipFamilies"] = list(was.get("ipFamilies") or ())[:1]
        spec["clusterIPs"] = asked = list(was["clusterIPs"])[:1]
    return asked


def _families(spec: Raw, asked: Sequence[str], headless: bool) -> Sequence[str]:
    """ipFamilies and ipFamilyPolicy, filled in: one family unless two are asked for."""
    families = list(spec.get("ipFamilies") or ())
    for index, each in enumerate(families):
        if each not in FAMILIES:
            text = f'Unsupported value: "{each}": supported values: "IPv4", "IPv6"'
            raise Refused(f"spec.ipFamilies[{index}]", "FieldValueNotSupported", text)
    if len(set(families)) != len(families):
        raise _refused("spec.ipFamilies", families, "duplicate value")
    if not families:
        families = [_family(each, asked) for each in asked]
    policy = spec.get("ipFamilyPolicy")
    if policy is None:
        if headless and not spec.get("selector"):
            policy = "RequireDualStack"
        else:
            policy = "SingleStack" if len(families) < 2 else "RequireDualStack"
    if policy not in ("SingleStack", "PreferDualStack", "RequireDualStack"):
        text = f'Unsupported value: "{policy}": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"'
        raise Refused("spec.ipFamilyPolicy", "FieldValueNotSupported", text)
    if policy == "SingleStack":
        what = "cluster IPs" if len(asked) > 1 else "IP families" if len(families) > 1 else ""
        if what:
            why = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
            raise _refused("spec.ipFamilyPolicy", policy, why)
        families = families or [FAMILIES[0]]
    else:
        families += [each for each in FAMILIES if each not in families]
    for index, each in enumerate(asked[: len(families)]):
        if _family(each, asked) != families[index]:
            why = f"expected an {families[index]} value as indicated by `ipFamilies[{index}]`"
            raise _refused(f"spec.clusterIPs[{index}]", each, why)
    spec["ipFamilies"], spec["ipFamilyPolicy"] = families, policy
    return families


def _family(address: str, asked: Sequence[str]) -> str:
    try:
        return FAMILIES[0] if ip_address(address).version == 4 else FAMILIES[1]
    except ValueError:
        raise _refused("spec.clusterIPs[0]", asked, "must be a valid IP address") from None


def _explicit(
    address: str,
    asked: Sequence[str],
    family: str,
    owner: Owner,
    held: set[str],
    allocated: Allocated,
) -> str:
    if address in held:
        return address
    if not any(ip_address(address) in network for network in allocated.of_family(family)):
        why = f"failed to allocate IP {address}: the provided network does not match the current range"
        raise _refused("spec.clusterIPs", [address], why)
    address = str(ip_address(address))
    if address not in held and allocated.addresses.get(address, owner) != owner:
        why = f"failed to allocate IP {address}: provided IP is already allocated"
        raise _refused("spec.clusterIPs", [address], why)
    return address


def _ports_of(owner: Owner, spec: Raw, was: Mapping[str, Any], allocated: Allocated) -> None:
    ports = [dict(port) for port in spec.get("ports") or () if isinstance(port, Mapping)]
    if "ports" in spec:
        spec["ports"] = ports
    old = {(port.get("protocol", "TCP"), port.get("port")): port.get("nodePort") for port in was.get("ports") or ()}
    type_ = spec["type"]
    if type_ == "ClusterIP":
        for port in ports:
            # A Service that was reachable from outside and is not any more loses what it had; all else is refused.
            if old.get((port.get("protocol", "TCP"), port.get("port"))) == port.get("nodePort"):
                port.pop("nodePort", None)
        spec.pop("healthCheckNodePort", None)
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                why = "Forbidden: may not be used when `type` is 'ClusterIP'"
                raise Refused(f"spec.ports[{index}].nodePort", "FieldValueForbidden", why)
        return
    mine = {port for port, holder in allocated.ports.items() if holder == owner}
    taken = {port["nodePort"] for port in ports if port.get("nodePort")}
    wants = type_ != "LoadBalancer" or spec.setdefault("allocateLoadBalancerNodePorts", True)
    for index, port in enumerate(ports):
        if not port.get("nodePort"):
            before = old.get((port.get("protocol", "TCP"), port.get("port")))
            if before and before not in taken:
                port["nodePort"] = before
                taken.add(before)
        number = port.get("nodePort")
        if number:
            _explicit_port(f"spec.ports[{index}].nodePort", number, mine, allocated)
        elif wants:
            port["nodePort"] = _free_port(taken, allocated)
            taken.add(port["nodePort"])
    if type_ == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
        if not spec.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = was.get("healthCheckNodePort") or _free_port(taken, allocated)
        _explicit_port("spec.healthCheckNodePort", spec["healthCheckNodePort"], mine, allocated)
    else:
        spec.pop("healthCheckNodePort", None)


def _free_port(taken: set[int], allocated: Allocated) -> int:
    port = allocated.free_port(taken)
    if port is None:
        raise Exhausted("failed to allocate a nodePort: range is full")
    return port


def _explicit_port(path: str, number: Any, mine: set[int], allocated: Allocated) -> None:
    if number not in NODE_PORTS:
        why = (
            "provided port is not in the valid range. "
            f"The range of valid ports is {NODE_PORTS.start}-{NODE_PORTS.stop - 1}"
        )
        raise _refused(path, number, why)
    if number in allocated.ports and number not in mine:
        raise _refused(path, number, "provided port is already allocated")


def owner_of(service: Raw) -> Owner:
    metadata = service["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def addresses(service: Raw | None) -> list[str]:
    return [each for each in ((service or {}).get("spec") or {}).get("clusterIPs") or () if each != "None"]


def node_ports(service: Raw) -> list[int]:
    """Every port that a Service holds on the nodes."""
    spec = service.get("spec") or {}
    found = [port.get("nodePort") for port in spec.get("ports") or ()] + [spec.get("healthCheckNodePort")]
    return [port for port in found if port]


def _refused(path: str, value: Any, why: str) -> Refused:
    quoted = f'"{value}"' if isinstance(value, str) else value
    if isinstance(value, list | tuple):
        quoted = "[" + ", ".join(f'"{each}"' for each in value) + "]"
    return Refused(path, "FieldValueInvalid", f"Invalid value: {quoted}: {why}")
