"""The served resources and their versions, built in or defined by CustomResourceDefinitions."""
