"""Recommendations for online shops: everything that a request passes through.

The path of one request:

    web            authenticates, parses a `Query`, reads the clock once
    data           `SnapshotStore.current` → the opened snapshot; `EventLog` → what was written since
    present        both as one: what a shopper did, under all ids → `History`; prices and stock of now
    decision       profile (who is this now?) → strategy (who answers?) → filters (what may be shown?)
    recommenders   `Candidates` from each, ranked inside the filters
    decision       blend → one ranked list, each item with its strongest source
    pipeline       fallback chain fills what is empty → `Slate` with reasons
    slates         JSON, from item fragments that were encoded when the snapshot was made
    messages       what a send shows a user: the slate that was answered first, with the prices of now
    replay         a share of all answers, noted so that they can be given again

Imports run one way: types ← settings ← data ← behaviour ← recommenders ← decision ← pipeline ← present ← messages ← web ←
serve. Nothing here imports `training`; the serving process loads neither Polars nor implicit.
"""
