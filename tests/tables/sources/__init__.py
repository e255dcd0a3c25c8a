"""Tests of where tables come from: formats, places, encodings."""
