"""What the API does with running pods: logs, metrics, eviction, proxy, streams."""
