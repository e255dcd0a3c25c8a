"""Gunicorn's access log as one JSON line a request, without anything that names a shopper.

The address is left out because it holds user ids; the route stands for it. Addresses of callers, keys, tokens and queries
are left out too. docs/http.md says what it costs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from gunicorn.glogging import Logger

from recsys.web.http.metrics import NO_ROUTE, ROUTE

_encode = msgspec.json.Encoder().encode


class AccessLine(msgspec.Struct, frozen=True):
    """One request: when it began (UTC), its call, how it ended, bytes sent and milliseconds taken."""

    time: datetime
    method: str
    route: str
    status: int
    bytes: int
    ms: float


class AccessLog(Logger):  # type: ignore[misc]
    """The logger to name as gunicorn's `logger_class`."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Write one line."""
        if not self.access_log_enabled:
            return
        line = AccessLine(
            datetime.now(UTC) - request_time,
            environ.get("REQUEST_METHOD", "-"),
            environ.get(ROUTE, NO_ROUTE),
            int(resp.status.split(None, 1)[0]) if isinstance(resp.status, str) else 0,
            resp.sent or 0,
            round(request_time.total_seconds() * 1000, 3),
        )
        self.access_log.info(_encode(line).decode())
