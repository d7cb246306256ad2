"""Namespace, Node, Lease and RuntimeClass."""
