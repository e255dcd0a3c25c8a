"""Tests of how values are read."""
