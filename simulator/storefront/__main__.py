"""The front as a process: `python -m simulator.storefront --tables data --service http://127.0.0.1:8000`, keys in the environment."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from werkzeug.serving import run_simple

from simulator.storefront import create_app


def main() -> None:
    """Serve the front until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m simulator.storefront", description="Serve the synthetic shop's front.")
    parser.add_argument("--tables", type=Path, required=True, help="folder that `make shop` wrote")
    parser.add_argument("--service", required=True, help="address of the recommendation service")
    parser.add_argument("--port", type=int, default=8001)
    chosen = parser.parse_args()
    app = create_app(chosen.tables, chosen.service, os.environ)
    run_simple("127.0.0.1", chosen.port, app, threaded=True)


if __name__ == "__main__":
    main()
