"""Chaos: three nodes behind nginx, with their database and object store, while all of them die and come back."""
