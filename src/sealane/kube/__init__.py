"""Kubernetes objects: their kinds, fields and rules.

Kinds and their schemas (`shapes/` has them for the type checker), objects and their provenance, selectors, patches,
manifests with file:line, and the client protocol (list, watch, create, update, patch, delete) with its implementation
over HTTP. Nothing in here knows what an object *means* for the network: that is `network/`.
"""
