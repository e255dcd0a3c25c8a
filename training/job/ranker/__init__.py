"""The ranker's offline half: what it is fitted on, how large it is, and whether it leads."""
