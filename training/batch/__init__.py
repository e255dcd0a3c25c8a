"""Batch commands beside training: exports, moments, dry runs, restocking, compaction, replay."""
