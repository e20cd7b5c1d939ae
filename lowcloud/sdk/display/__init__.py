"""The display of jobs, endpoints and lineage in terminals and notebooks."""
