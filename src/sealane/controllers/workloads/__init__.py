"""Controllers of Deployments, ReplicaSets, StatefulSets and DaemonSets: plans are pure, `wiring` runs them."""
