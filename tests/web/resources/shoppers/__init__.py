"""Tests of calls about one shopper: events, identities, profile, erasure."""
