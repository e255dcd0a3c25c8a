"""Measurements of the service over HTTP, and of one answer."""
