"""Ingress, IngressClass, NetworkPolicy."""
