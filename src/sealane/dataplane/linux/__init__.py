"""Namespaces, links, addresses and routes over netlink; threads that live in a namespace."""
