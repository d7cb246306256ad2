"""Event, in both groups."""
