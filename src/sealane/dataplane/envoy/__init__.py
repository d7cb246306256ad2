"""Envoy, driven by delta xDS from `network.routes`."""
