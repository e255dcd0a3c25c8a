"""Servers and processes that tests start, and how they are asked."""
