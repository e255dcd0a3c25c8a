"""Offline evaluation: time-based splits, metrics, tuning and blend weights."""
