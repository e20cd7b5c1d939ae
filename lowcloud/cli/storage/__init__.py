"""Commands about stored objects."""
