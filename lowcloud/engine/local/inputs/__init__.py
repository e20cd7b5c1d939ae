"""The inputs of a replica: staged in its folder, or served while its program runs."""
