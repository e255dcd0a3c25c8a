"""Tests of what is told of an answer: why, from which evidence, and the same again."""
