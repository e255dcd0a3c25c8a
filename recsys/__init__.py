"""Recommendations for online shops: everything that a request passes through.

The path of one request:

    web            authenticates, parses a `Query`, reads the clock once
    data           `SnapshotStore.current` → the opened snapshot; `Histories.of(user)` → `History`
    decision       profile (who is this now?) → strategy (who answers?) → filters (what may be shown?)
    recommenders   `Candidates` from each, ranked inside the filters
    decision       blend → one ranked list, each item with its strongest source
    pipeline       fallback chain fills what is empty → `Slate` with reasons
    web            JSON, from item fragments that were encoded when the snapshot was made

Imports run one way: types ← settings ← data ← behaviour ← recommenders ← decision ← pipeline ← web ← serve. Nothing here imports
`training`; the serving process loads neither Polars nor implicit.
"""
