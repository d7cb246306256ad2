"""The effects of a write on one object: metadata, ownership of fields, apply, deletion. No HTTP, no store."""
