"""Calls about one shopper: events, the profile, who is the same person, what is hidden, erasure."""
