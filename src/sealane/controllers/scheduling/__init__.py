"""The scheduler: the node of each pod, and why none fits."""
