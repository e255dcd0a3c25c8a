"""Tests of SQLite alone."""
