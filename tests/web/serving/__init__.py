"""Tests of the service as it runs: workers, lanes, what it holds and when it changes."""
