"""Tests of calls, a file for each of them."""
