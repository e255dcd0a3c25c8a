"""Tests of the merchant's hand in a list: campaigns, filters, variety, exploration."""
