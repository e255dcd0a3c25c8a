"""A client of the recommendation service for a shop's backend: slates, items, events and browser tokens.

It needs nothing but the standard library. One `Client` serves all threads of a process, and keeps its connections.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import random
import re
import time
import uuid
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

__all__ = ["Client", "Item", "Reason", "RecsysError", "Rejection", "Sent", "Slate"]

TRY_AGAIN = frozenset((429, 500, 502, 503, 504))
"""Statuses after which the same call may be answered."""
LONGEST_PAUSE = 2.0
"""Seconds that are waited at most between two tries, whatever the service asks for."""
_EVENTS_AT_ONCE = 1000
_VISITOR = re.compile("anon-[0-9a-f]{32}")

Answer = TypeVar("Answer")


class RecsysError(Exception):
    """A call that was not answered: `status` is HTTP's, or 0 where no answer came; `problem` is what the service said."""

    def __init__(self, status: int, detail: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status}: {detail}" if status else detail)
        self.status = status
        self.problem = dict(problem or {})


@dataclass(frozen=True, slots=True)
class Reason:
    """Reason why an item is shown."""

    code: str
    text: str
    window_days: int | None = None
    buyers: int | None = None
    because_item_id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the catalogue; `score` and `reason` where it stands in a slate."""

    item_id: str
    title: str | None
    brand: str | None
    category: str | None
    price: float | None
    currency: str | None
    url: str | None
    image_url: str | None
    available: bool
    attributes: Mapping[str, Any] | None = None
    score: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Slate:
    """A list of items, best first; `next_cursor` is for the next page, where one was asked for."""

    recommendation_id: str
    user_id: str | None
    placement: str
    strategy: str
    personalized: bool
    fallback: str | None
    items: tuple[Item, ...]
    next_cursor: str | None = None
    notices: tuple[str, ...] = ()
    """What of the question is unknown, and why a list is shorter than it was meant to be."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not taken: its place in the list that was sent, and why."""

    index: int
    error: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Results of the rows that were sent."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]


class Client:
    """The service, as one shop's backend calls it.

    Args:
        service: its address, such as https://recs.shop.example, with its prefix if it has one.
        read_key: opens slates and items.
        events_key: opens events, links and item updates.
        token_secret: `kid:secret`, one of the service's RECSYS_TOKEN_SECRETS, or all of them: the first signs browser tokens.
        timeout: seconds that one try may take.
        retries: further tries where no answer came, or one that may be better soon.
    """

    def __init__(
        self,
        service: str,
        *,
        read_key: str = "",
        events_key: str = "",
        token_secret: str = "",
        timeout: float = 0.8,
        retries: int = 1,
    ) -> None:
        address = urlsplit(service)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"service: {service!r} is no address; write it such as https://recs.shop.example")
        self._secure, self._host, self._port = address.scheme == "https", address.hostname, address.port
        self._prefix = address.path.rstrip("/")
        self._read_key, self._events_key, self._token_secret = read_key, events_key, token_secret
        self._timeout, self._retries = timeout, retries
        self._idle: deque[HTTPConnection] = deque()
        self._process = os.getpid()

    def recommend(self, user_id: str, placement: str = "home", **filters: Any) -> Slate:
        """Ask for a shopper's slate; `filters` are those of the call: limit, category, brand, exclude, item_id, cursor …

        Raises:
            RecsysError: if it is refused, or not answered in time.
        """
        query = {"placement": placement, **filters}
        return _slate(self._get(f"/v1/users/{quote(user_id, safe='')}/recommendations", query))

    def page(self, user_id: str | None, placements: Sequence[str | Mapping[str, Any]]) -> list[Slate]:
        """Ask for all slates of a page, no item twice; raises as `recommend`."""
        body = {"placements": list(placements), **({"user_id": user_id} if user_id is not None else {})}
        return [_slate(each) for each in self._call("POST", "/v1/slates", self._read_key, body)["slates"]]

    def items(self, item_ids: Iterable[str]) -> list[Item]:
        """Ask for up to 100 items as they are now, without those that the catalogue does not have; raises as `recommend`."""
        return [_item(each) for each in self._get("/v1/items", {"item_id": list(item_ids)})["items"]]

    def send(self, events: Iterable[Mapping[str, Any]]) -> Sent:
        """Tell what shoppers did. An event without an id gets one where it has no time either, so that a second try counts once; of
        one with a time the service derives it, as of the same row in the shop's tables. Raises as `recommend`."""
        rows = [_with_id(event) for event in events]
        accepted, duplicates, rejected, start = 0, 0, list[Rejection](), 0
        while start < len(rows):
            end = _cut(rows, start)
            answer = self._call("POST", "/v1/events", self._events_key, {"events": rows[start:end]})
            accepted, duplicates = accepted + answer["accepted"], duplicates + answer["duplicates"]
            rejected += [Rejection(each["index"] + start, each["error"]) for each in answer["rejected"]]
            start = end
        return Sent(accepted, duplicates, tuple(rejected))

    def link(self, anonymous_id: str, user_id: str) -> None:
        """Tell that a visitor turned out to be a user. A link that says nothing new, or that is refused, changes nothing."""
        rows = [{"anonymous_id": anonymous_id, "user_id": user_id}]
        self._call("POST", "/v1/identities", self._events_key, {"identities": rows})

    def update_items(self, changes: Iterable[Mapping[str, Any]]) -> Sent:
        """Tell new prices, stock and availability of up to 1,000 items; raises as `recommend`."""
        answer = self._call("PATCH", "/v1/items", self._events_key, {"items": list(changes)})
        return Sent(answer["accepted"], 0, tuple(_of(Rejection, each) for each in answer["rejected"]))

    def visitor_token(self, anonymous_id: object, seconds: int = 1800) -> str:
        """Mint a browser token for a visitor who is not signed in, under the id that the storefront kit drew.

        Raises:
            ValueError: if it is another text: whoever could choose it freely could ask for the token of any user.
        """
        if not isinstance(anonymous_id, str) or not _VISITOR.fullmatch(anonymous_id):
            raise ValueError("anonymous_id: allowed are ids that the storefront kit drew: anon- and 32 hex digits")
        return self.token(anonymous_id, seconds)

    def token(self, user_id: str | int, seconds: int = 1800) -> str:
        """Mint a browser token for a shopper whom you know: take the id from your own session, never from the request.

        Raises:
            ValueError: without a `token_secret` of the form kid:secret; for an id that is no text or number, or is empty.
        """
        given: object = user_id
        if isinstance(given, bool) or not isinstance(given, (str, int)) or not str(given).strip():
            raise ValueError(f"user_id: allowed are text and whole numbers that name a shopper, not {given!r}")
        first = next(iter(self._token_secret.replace(",", " ").split()), "")
        kid, colon, secret = first.partition(":")
        if not colon or not kid or not secret:
            raise ValueError("token_secret: write kid:secret, one of the service's RECSYS_TOKEN_SECRETS")
        now = int(time.time())
        parts = [{"alg": "HS256", "typ": "JWT", "kid": kid}, {"sub": str(user_id), "iat": now, "exp": now + seconds}]
        signed = b".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return (signed + b"." + _base64(hmac.digest(secret.encode(), signed, "sha256"))).decode()

    def _get(self, path: str, query: Mapping[str, Any]) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", f"{path}?{urlencode(given, doseq=True)}", self._read_key)

    def _call(self, method: str, path: str, key: str, body: object = None) -> Any:
        text = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", **({"Content-Type": "application/json"} if text else {})}
        for tries_left in range(self._retries, -1, -1):
            status, answer, retry_after = self._try(method, self._prefix + path, text, headers)
            if 200 <= status < 300:
                return answer
            if not tries_left or (status and status not in TRY_AGAIN):
                break
            time.sleep(min(LONGEST_PAUSE, max(retry_after, 0.05)) * random.uniform(0.5, 1.0))
        problem = answer if isinstance(answer, dict) else {"detail": str(answer)}
        raise RecsysError(status, str(problem.get("detail", "")), problem)

    def _try(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, Any, float]:
        """One try: status (0: no answer), what was answered, seconds after which to come again."""
        connection = self._connection()
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            read = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            self.close()  # others that were kept have as likely been closed at the other end
            return 0, f"no answer from {self._host}: {type(error).__name__} {error}", 0.0
        self._idle.append(connection)
        wait = answer.headers.get("Retry-After", "")
        return answer.status, _json(read), float(wait) if wait.isdecimal() else 0.0

    def _connection(self) -> HTTPConnection:
        if self._process != os.getpid():  # forked: what is kept is the parent's, who would read our answers
            self._idle, self._process = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            make = HTTPSConnection if self._secure else HTTPConnection
            return make(self._host, self._port, timeout=self._timeout)

    def close(self) -> None:
        """Close the connections that are kept; the next call opens one again."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def _slate(said: Mapping[str, Any]) -> Slate:
    items = tuple(_item(each) for each in said["items"])
    return _of(Slate, {**said, "items": items, "notices": tuple(said.get("notices", ()))})


def _cut(rows: Sequence[Mapping[str, Any]], start: int) -> int:
    """Where a request that begins at `start` ends: not within an order, if it can be helped, for equal lines are told apart in one."""
    end = min(start + _EVENTS_AT_ONCE, len(rows))
    order = rows[end].get("order_id") if end < len(rows) else None
    cut = end
    while order and cut > start and rows[cut - 1].get("order_id") == order:
        cut -= 1
    return cut if cut > start else end


def _with_id(event: Mapping[str, Any]) -> Mapping[str, Any]:
    known = event.get("event_id") or event.get("timestamp") is not None
    return event if known else {**event, "event_id": uuid.uuid4().hex}


def _item(said: Mapping[str, Any]) -> Item:
    reason = said.get("reason")
    return _of(Item, {**said, "reason": _of(Reason, reason) if reason else None})


def _of(kind: type[Answer], said: Mapping[str, Any]) -> Answer:
    """Build an answer; members that it does not know are passed over, for the service only ever adds some."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in said.items() if name in known})


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text[:200].decode("utf-8", "replace")


def _base64(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")
