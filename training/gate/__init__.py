"""The gate: checks that a snapshot passes before it goes live."""
