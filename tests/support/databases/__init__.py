"""Databases under test: a PostgreSQL server, a full database, and the schema that a database has."""
