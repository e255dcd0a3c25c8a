"""Tests of the ranker's offline half."""
