"""The public part of the former training toolkit."""
