"""Measurements of how good lists are."""
