"""Troubled shops of the open cases: the settings that their owners would write, and the facts that must come out."""
