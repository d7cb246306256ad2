"""Requests of the API to running pods: logs, metrics, eviction, proxy, streams."""
