"""Formats of files: each as lazy frames, or as a Parquet copy where Polars cannot read it as it stands."""
