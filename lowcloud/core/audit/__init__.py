"""The audit log: who did what, on what, from where, and whether it was allowed; nobody can change it unnoticed."""
