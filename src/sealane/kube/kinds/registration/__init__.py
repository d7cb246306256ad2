"""APIService: which group and version is served by whom."""
