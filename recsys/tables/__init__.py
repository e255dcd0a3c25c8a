"""Offline reading of a shop's tables: sources, column mapping, parsing of values, validation, and the rows that training gets."""
