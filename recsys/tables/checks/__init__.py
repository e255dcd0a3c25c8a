"""Checks of whole tables: repeated rows, absurd amounts, ids that are no person's, limits, and whether the tables are of use."""
