"""Devices that pods claim (resource.k8s.io, KEP-4381). Stored and served; nothing here allocates them."""
