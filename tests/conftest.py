"""For all tests: the plugin, also where Sealane is not installed (PYTHONPATH=src), and the profile of Hypothesis."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["sealane.testing.plugin"]

# How fast a busy machine draws examples says nothing about the code.
settings.register_profile("sealane", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sealane")
