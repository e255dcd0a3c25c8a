"""Tests of `init`."""
