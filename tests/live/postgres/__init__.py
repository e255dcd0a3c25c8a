"""Promises of PostgreSQL beside what every database does."""
