"""Measurements of the offline job: reading, training, the gate."""
