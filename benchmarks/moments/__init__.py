"""Measurements of messages and moments."""
