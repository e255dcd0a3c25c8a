"""Tests of calls for messages: sends, slots, cards, moments."""
