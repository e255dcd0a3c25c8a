"""The pure request path: profile, strategy, filters, blend and pipeline, and their explanations and replays."""
