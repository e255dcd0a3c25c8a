"""Merchandising of lists: campaigns, filters on attributes, pins and limits, variety, and what each did to an item."""
