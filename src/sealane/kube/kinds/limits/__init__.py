"""LimitRange, ResourceQuota, PriorityClass, PodDisruptionBudget, HorizontalPodAutoscaler."""
