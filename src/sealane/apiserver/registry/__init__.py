"""Which resources are served, in which versions, built in or defined by CustomResourceDefinitions."""
