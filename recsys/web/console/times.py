"""Moments in the fields of forms: browsers pick a day and an hour without a zone, which the console takes as UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from recsys import clock
from recsys.web.http.parameters import LAST_MOMENT
from recsys.web.http.times import microseconds

_PICKED = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})(:\d{2}(?:\.\d{1,6})?)?", re.ASCII)


def in_utc(text: str) -> str:
    """Return what was picked or typed as calls take it: a day and an hour without a zone are UTC, all else stays as it is."""
    text = text.strip()
    read = _PICKED.fullmatch(text)
    return f"{read[1]}{read[2] or ':00'}Z" if read else text


def picked(moment: datetime | str | None) -> str:
    """A moment as the value of a field (`2026-12-01T08:00`); a text that is none as it is, nothing where there is no moment."""
    if isinstance(moment, str):
        read = microseconds(in_utc(moment)) if moment else None
        if read is None or not 0 <= read <= LAST_MOMENT:
            return moment
        moment = clock.to_datetime(read)
    if moment is None:
        return ""
    local = moment.astimezone(UTC).replace(tzinfo=None)
    kept = "milliseconds" if local.microsecond else "seconds" if local.second else "minutes"
    return local.isoformat(timespec=kept)
