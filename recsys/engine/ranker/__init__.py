"""Ranker of lists: boosted trees, and the features that they are told, the same for fitting and for serving."""
