"""Calls of browsers: which origins may make them, and those that are sent while a page closes."""
