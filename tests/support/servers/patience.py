"""The longest wait of any test, in a file of its own: processes that a test starts read it without loading the service."""

from __future__ import annotations

PATIENCE_SECONDS = 300
"""Longest wait for anything in a test: long enough on the busiest machine, for it only ends tests that fail."""
