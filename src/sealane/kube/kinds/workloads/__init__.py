"""Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController."""
