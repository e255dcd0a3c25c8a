"""Measurements of the merchant's hand: what it costs, and what it does to lists."""
