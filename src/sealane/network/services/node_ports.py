"""On which of a node's addresses its NodePorts are: nodePortAddresses of kube-proxy.

Set as in a cluster of kubeadm: the key config.conf of the ConfigMap kube-proxy in kube-system holds a
KubeProxyConfiguration. Source: https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from sealane.kube.objects import Key

if TYPE_CHECKING:
    from sealane.kube.shapes import ConfigMap

CONFIGURED_BY = Key("", "ConfigMap", "kube-system", "kube-proxy")
PRIMARY = "primary"


def node_port_addresses(config: ConfigMap | None) -> tuple[str, ...]:
    """CIDRs, or only "primary": the node's own addresses; empty: all its addresses. Unreadable text counts as empty."""
    import yaml  # seldom needed, and not small

    text = ((config.raw.get("data") or {}) if config is not None else {}).get("config.conf")
    if not text:
        return ()
    try:
        given = (yaml.safe_load(text) or {}).get("nodePortAddresses") or ()
        if list(given) == [PRIMARY]:
            return (PRIMARY,)
        return tuple(str(ip_network(each, strict=False)) for each in given)
    except (AttributeError, TypeError, ValueError, yaml.YAMLError):
        return ()


def has_node_ports(address: str, primary: Iterable[str], allowed: tuple[str, ...]) -> bool:
    """Are NodePorts on this address of a node? A family of which no CIDR is given has them on all its addresses."""
    if allowed == (PRIMARY,):
        return address in primary
    own = ip_address(address)
    given = [network for network in map(ip_network, allowed) if network.version == own.version]
    return not given or any(own in network for network in given)
