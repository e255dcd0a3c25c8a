"""Addresses of the console: every link is made here, under the path that the service is reached under."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode

ROOT = "/console"
_INSIDE = re.compile(r"/(?:[A-Za-z0-9_-]+/?)*(?:\?[A-Za-z0-9_.~%+&=-]*)?")
_LONGEST = 2000


class Addresses:
    """The console's addresses under `web.prefix`."""

    def __init__(self, prefix: str) -> None:
        self.root = prefix + ROOT
        """Also the path of the session's cookie."""

    def page(self, path: str, **parameters: Any) -> str:
        """The address of a page, with the parameters that have a value."""
        given = {name: value for name, value in parameters.items() if value not in (None, "")}
        query = urlencode(given, quote_via=quote)
        return f"{self.root}/{path.lstrip('/')}" + (f"?{query}" if query else "")

    def inside(self, address: str) -> str:
        """An address below the console's own root, as `next` says where to go after login; whatever is none leads to the first page.

        The root goes before it, so that no text can lead elsewhere.
        """
        return self.root + (address if len(address) <= _LONGEST and _INSIDE.fullmatch(address) else "/")
