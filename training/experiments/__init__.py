"""Did it help: what an experiment brought, and what lists brought without one (docs/experiments.md)."""
