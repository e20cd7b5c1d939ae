"""The inference toolkit."""
