"""The catalogue: algorithms, frameworks, processing programs and instance types by their names."""
