"""Soak: the service for an hour under load, new snapshots, killed workers and changing items."""
