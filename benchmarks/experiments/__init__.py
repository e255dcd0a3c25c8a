"""Measurements of experiments and of estimates before them."""
