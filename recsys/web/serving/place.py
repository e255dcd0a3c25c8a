"""Place of the live state: whether it may stand there, and whether this machine alone uses it."""

from __future__ import annotations

import logging
import time

from recsys.live.databases import check_place, sign_place
from recsys.live.sqlite.host_sign import SIGN_SECONDS
from recsys.settings import Settings
from recsys.types import StateError

_log = logging.getLogger(__name__)


class Place:
    """The folder of the live state, as one worker sees it."""

    def __init__(self, settings: Settings) -> None:
        """Check the place.

        Raises:
            StateError: if live state may not stand there, or the service of another machine uses it.
        """
        check_place(settings)
        self._settings, self._signed_at = settings, float("-inf")
        self.error: str | None = None
        """Why two machines may write here."""

    def look(self) -> None:
        """Say now and then that this machine uses the folder; notice another one that says so."""
        if time.monotonic() - self._signed_at < SIGN_SECONDS:
            return
        self._signed_at = time.monotonic()
        try:
            sign_place(self._settings)
        except StateError as error:
            if self.error is None:
                _log.error("%s", error)
            self.error = "state: another machine uses the folder too, which may lose events; the service's log names it"
        else:
            self.error = None
