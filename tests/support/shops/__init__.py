"""Shops that tests are about, and their tables."""
