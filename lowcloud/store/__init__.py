"""Rows and bytes: the database, the blob files, and the keys that encrypt them."""
