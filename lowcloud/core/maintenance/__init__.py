"""Maintenance of a home: upgrades of its database."""
