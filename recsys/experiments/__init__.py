"""Experiments: ways of one placement, compared on live shoppers."""
