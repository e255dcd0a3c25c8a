"""Addresses of what keeps state and snapshots outside this machine."""
