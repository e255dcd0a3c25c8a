"""Columns of a shop's tables: those of the settings, further attributes, and conditions on them."""
