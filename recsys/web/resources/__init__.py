"""HTTP resources: one file each, declaring its calls as operations."""
