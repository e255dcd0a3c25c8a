"""Measurements, each with the command that makes it; nothing here is imported by the project."""
