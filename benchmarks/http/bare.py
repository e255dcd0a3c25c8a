"""The baseline of the benchmark: a bare Flask view that returns `json.dumps` of an equal slate, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

from flask import Flask, Response


def create_app(slate_file: Path) -> Flask:
    """Serve the slate that stands in a JSON file."""
    app = Flask(__name__)
    slate = json.loads(slate_file.read_text())

    @app.get("/v1/users/<user_id>/recommendations")
    def recommendations(user_id: str) -> Response:
        return Response(json.dumps(slate), mimetype="application/json")

    @app.get("/readyz")
    def ready() -> Response:
        return Response("{}", mimetype="application/json")

    return app


def app_from_environment() -> Flask:
    """For gunicorn: `benchmarks.http.bare:app_from_environment()`."""
    return create_app(Path(os.environ["BENCH_SLATE"]))
