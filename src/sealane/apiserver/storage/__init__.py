"""Objects on disk and their history: store, watches, lists, and the back ends below."""
