"""Python environments: built from requirements, or overlaid on an existing one."""
