"""The synthetic shop's clickable front: pages built with the storefront kit, and beside them what the service thinks.

It stands on an origin of its own and talks HTTP to the service, with keys and tokens, as a real shop does. For the demo only: whoever
reaches it may sign in as anybody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flask import Flask

from simulator.storefront.goods import Shelves
from simulator.storefront.pages import Front, register
from simulator.storefront.service import RecommendationService

STATIC_SECONDS = 60
"""Time for which a browser does not ask for scripts and styles again: Flask leaves a file open that it does not send."""


def create_app(folder: Path, service: str, environment: Mapping[str, str]) -> Flask:
    """Make the front of the shop whose tables are in a folder, for the service at an address; its keys come from `environment`."""
    app = Flask(__name__)
    app.secret_key = os.urandom(32)  # whoever is signed in is forgotten when the demo ends
    app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_NAME="shop", MAX_CONTENT_LENGTH=64 * 1024)
    app.config.update(SEND_FILE_MAX_AGE_DEFAULT=STATIC_SECONDS)
    register(app, Front(Shelves.read(folder), RecommendationService(service, environment), service))
    return app
