"""The API over HTTP: paths, verbs, negotiation, tables, discovery. Rules of objects do not enter it."""
