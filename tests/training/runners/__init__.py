"""Tests of training in partitions, here and on Spark."""
