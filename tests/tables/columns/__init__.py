"""Tests of how columns are found and guarded."""
