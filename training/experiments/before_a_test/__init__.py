"""Estimates before a test begins: explored lists, off-policy estimators, `make whatif`."""
