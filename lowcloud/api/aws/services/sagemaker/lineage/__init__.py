"""Artifacts, actions, contexts, their associations, and queries of the graph."""
