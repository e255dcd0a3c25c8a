"""Data: the shop's tables coming in, and the snapshots and id maps that the service reads."""
