"""The training toolkit."""
