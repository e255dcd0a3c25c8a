"""Tests of what is fitted."""
