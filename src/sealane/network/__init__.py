"""The core: pure functions from Kubernetes objects to a model of the network.

Frozen values in, frozen values out; no I/O, no clock, no asyncio, no randomness. Each rule of Kubernetes networking is
written here once, with its source; `dataplane/` makes it so, `explain/` says why, `controllers/` write it back.
"""
