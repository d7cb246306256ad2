"""What checks of all families share: fields, metadata, words of refusals."""
