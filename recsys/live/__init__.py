"""Live state: everything that changes while the service runs, one table per kind of row."""
