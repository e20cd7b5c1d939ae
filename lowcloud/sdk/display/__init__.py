"""How jobs, endpoints and lineage are shown in terminals and notebooks."""
