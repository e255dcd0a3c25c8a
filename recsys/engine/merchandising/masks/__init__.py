"""Masks of the items of one catalogue that meet conditions: of words, of numbers, and laid together."""
