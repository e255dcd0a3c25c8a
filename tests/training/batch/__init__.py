"""Tests of jobs beside training: files written, state kept."""
