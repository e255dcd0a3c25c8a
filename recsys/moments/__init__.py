"""Moments: which shoppers are due for a message now, by which rule, with which items."""
