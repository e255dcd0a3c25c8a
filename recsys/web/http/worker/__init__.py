"""The process around a request: gunicorn's worker, bodies that it buffers, the access log."""
