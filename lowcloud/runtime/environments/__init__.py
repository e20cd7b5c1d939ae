"""Python environments: built from requirements, and overlaid on another."""
