"""Tests of read-outs, attribution and estimates before a test."""
