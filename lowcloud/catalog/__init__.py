"""What names mean: algorithms, frameworks, ready processing programs and instance types."""
