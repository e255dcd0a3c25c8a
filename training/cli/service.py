"""The service, started by the offline job: gunicorn with the package's own configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CONFIGURATION = "python:recsys.web.gunicorn_conf"
_APPLICATION = "recsys.web.app:app_from_environment()"


def gunicorn(bind: str, workers: int) -> list[str]:
    """Put together the command that serves the snapshot of the settings that RECSYS_SETTINGS names, from any folder."""
    command = [sys.executable, "-m", "gunicorn", "-c", _CONFIGURATION]
    return [*command, "--bind", bind, "--workers", str(workers), _APPLICATION]


def serve(settings: Path | None, host: str, port: int, workers: int) -> int:
    """Become the service: this process goes on as gunicorn, so that signals and exit codes are its own."""
    environment = {**os.environ, **({"RECSYS_SETTINGS": str(settings)} if settings else {})}
    command = gunicorn(f"{f'[{host}]' if ':' in host else host}:{port}", workers)
    os.execve(command[0], command, environment)
