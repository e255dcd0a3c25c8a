"""The HTTP service: one file per resource, each declaring its calls as `Operation`s.

A request walks `app` (routing) → `operations` (key or token, then parameters, both from the declaration) → the resource's
view → `service` (the query to the pipeline) → `slates` (JSON). `openapi` reads the same declarations. Flask is used here and
nowhere else.
"""
