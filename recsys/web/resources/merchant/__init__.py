"""Calls with which a merchant changes lists, and sees what that did: campaigns and experiments."""
