"""The Search operation."""
