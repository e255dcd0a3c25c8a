"""Snapshots: the immutable files that training publishes and the service memory-maps."""
