"""Gateway API."""
