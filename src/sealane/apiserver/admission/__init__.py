"""What a write passes before it is stored: plugins, policies, webhooks, in Kubernetes' order."""
