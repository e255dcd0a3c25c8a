"""Public models on the same split, users and metrics as ours: `make benchmark-peers`.

`inputs` what a peer may read · `models` those of papers, written out · `libraries` those of implicit and LensKit · `tuning` random
search on the validation window · `shops` the shops and what a window asks · `comparison` ours and the peers, row by row. A peer is a
function from inputs and settings to a scorer.
"""
