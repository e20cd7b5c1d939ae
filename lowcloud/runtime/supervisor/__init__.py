"""The supervisor of one replica: starts its program, records its output and exit code, and cleans up after it."""
