"""Shared parts of tests: shops, services and runs made from real files."""
