"""Access control lists, and access without credentials."""
