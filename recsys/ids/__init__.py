"""Ids that the service makes or reads: those of events and of shoppers."""
