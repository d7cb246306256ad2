"""The steps of a write before it is stored: plugins, policies, webhooks, in Kubernetes' order."""
