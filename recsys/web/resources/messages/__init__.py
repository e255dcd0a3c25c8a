"""Calls of message templates and of what sends them: sends, cards, picture slots, moments."""
