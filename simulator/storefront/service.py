"""The recommendation service as the shop's backend calls it: tokens for browsers, orders, and what people who run it may see."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import jwt

VISITOR = re.compile("anon-[0-9a-f]{32}")
"""An id that the storefront kit drew; no other text of a browser is taken for one."""
TOKEN_SECONDS = 1800
PATIENCE_SECONDS = 3.0


class Reply(NamedTuple):
    """Answer of the service: a status (0: nothing), the answer, and the milliseconds that it took."""

    status: int
    body: Any
    ms: int


class RecommendationService:
    """The service at an address, with the keys of the environment."""

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        self._address = address.rstrip("/")
        self._events_key, self._admin_key = environment["RECSYS_KEYS_EVENTS"], environment["RECSYS_KEYS_ADMIN"]
        self._kid, _, self._secret = environment["RECSYS_TOKEN_SECRETS"].replace(",", " ").split()[0].partition(":")

    def token(self, user_id: str) -> str:
        """Mint a browser token for a shopper."""
        now = int(time.time())
        claims = {"sub": user_id, "iat": now, "exp": now + TOKEN_SECONDS}
        return jwt.encode(claims, self._secret, algorithm="HS256", headers={"kid": self._kid})

    def order(self, user_id: str, order_id: str, lines: Sequence[tuple[str, float]]) -> Reply:
        """Tell what was bought: (item id, price) a line."""
        events = [
            {
                "event_type": "purchase",
                "user_id": user_id,
                "order_id": order_id,
                "event_id": f"{order_id}:{place}",
                "item_id": item_id,
                "quantity": 1,
                "price": price,
            }
            for place, (item_id, price) in enumerate(lines)
        ]
        return self._call("POST", "/v1/events", self._events_key, {"events": events})

    def profile(self, user_id: str) -> Reply:
        """Ask what is known of a shopper, with the evidence."""
        return self._call("GET", f"/v1/users/{quote(user_id, safe='')}/profile", self._admin_key)

    def explain(self, user_id: str, item_ids: Sequence[str], placement: str, limit: int) -> Reply:
        """Ask why the first of these items is shown to a shopper, or why not; the others are on the page."""
        query = urlencode({"item_id": list(item_ids), "placement": placement, "limit": limit}, doseq=True)
        return self._call("GET", f"/v1/users/{quote(user_id, safe='')}/explain?{query}", self._admin_key)

    def _call(self, method: str, path: str, key: str, body: object = None) -> Reply:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self._address + path, text, headers, method=method)
        begun = time.perf_counter()
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
                status, read = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, read = error.code, error.read()
        except OSError as error:
            status, read = 0, json.dumps({"detail": f"no answer: {error}"}).encode()
        return Reply(status, json.loads(read), round((time.perf_counter() - begun) * 1000))
