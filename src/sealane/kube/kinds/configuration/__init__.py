"""ConfigMap, Secret."""
