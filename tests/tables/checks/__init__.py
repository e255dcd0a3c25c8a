"""Tests of what is looked for in rows that were read."""
