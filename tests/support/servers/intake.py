"""The service as it is written to: a key of the scope events, and a log in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from werkzeug.test import TestResponse

from recsys.settings import StateSettings
from recsys.web.app import Application, create_app
from tests.support.servers.serving import ENVIRONMENT, bearer, serving_settings

EVENTS_KEY = "events-key-of-at-least-32-characters"
EVENTS = bearer(EVENTS_KEY)


def intake(artifacts: Path, folder: Path, **web: Any) -> Application:
    """Build the service over a folder of snapshots and a folder of live state."""
    settings = msgspec.structs.replace(serving_settings(artifacts, **web), state=StateSettings(folder=str(folder / "state")))
    return create_app(settings, ENVIRONMENT | {"RECSYS_KEYS_EVENTS": EVENTS_KEY})


def send(app: Application, body: Any, headers: dict[str, str] | None = None) -> TestResponse:
    """Post events."""
    return app.test_client().post("/v1/events", json=body, headers=EVENTS if headers is None else headers)


def row_results(answer: TestResponse) -> dict[str, Any]:
    """What became of the rows."""
    assert answer.status_code == 202, answer.text
    assert answer.headers["Cache-Control"] == "private, no-store"
    found: dict[str, Any] = answer.get_json()
    return found
