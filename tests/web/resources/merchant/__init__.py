"""Tests of a merchant's calls: items, campaigns, experiments."""
