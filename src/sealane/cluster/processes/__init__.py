"""The processes of a cluster, and what each holds."""
