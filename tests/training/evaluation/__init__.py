"""Tests of evaluation and tuning."""
