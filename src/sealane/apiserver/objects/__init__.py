"""What a write does to one object: metadata, ownership of fields, apply, deletion. No HTTP, no store."""
