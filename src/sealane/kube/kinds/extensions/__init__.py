"""CustomResourceDefinition."""
