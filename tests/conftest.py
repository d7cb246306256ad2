"""Makes the plugin known where Sealane is not installed (PYTHONPATH=src)."""

pytest_plugins = ["sealane.testing.plugin"]
