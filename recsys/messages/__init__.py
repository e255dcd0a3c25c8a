"""Recommendations inside messages: what is asked while a shop's tool sends, and again whenever somebody opens (docs/messages.md)."""
