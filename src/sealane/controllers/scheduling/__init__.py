"""The scheduler: which node a pod gets, and why none fits."""
