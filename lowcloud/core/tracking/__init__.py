"""Experiments, trials, trial components and lineage."""
