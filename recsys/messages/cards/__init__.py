"""Rendered messages: Liquid templates, channel limits and the data that a card shows."""
