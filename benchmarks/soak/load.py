"""Load of a soak: a mix of every kind of call at a fixed rate, each answer counted by what became of it.

Calls are due at a fixed rate (open loop: a late answer counts from when it was due). A call whose connection breaks is sent once
more, as a proxy does; events carry ids, so that sending them twice counts them once.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

CALLERS = 16
"""Threads of the load, each with a kept connection."""
EVENTS_AT_ONCE = 3
ITEMS_AT_ONCE = 5
ATTEMPTS = 5
"""Times that a caller comes when it is asked to come again."""
PATIENCE_SECONDS = 60
CALLS_A_CONNECTION = 50
"""Calls after which a caller opens another connection, as other shoppers do: kept ones would all end at the oldest worker."""
AFTER_A_KILL_SECONDS = 5.0
"""A connection that breaks so soon after a worker was killed broke because of it."""

Kind = Literal["page", "similar", "bestsellers", "popular", "profile", "card", "moments", "events", "items", "identities"]
SHARES: Mapping[Kind, float] = {
    "page": 0.70,
    "similar": 0.06,
    "bestsellers": 0.04,
    "popular": 0.02,
    "profile": 0.02,
    "card": 0.02,
    "moments": 0.002,
    "events": 0.10,
    "items": 0.03,
    "identities": 0.008,
}
"""How often each kind of call is made."""


class Question(NamedTuple):
    """One call: its method, its address, the scope whose key it carries, and its body."""

    method: str
    address: str
    scope: str
    body: Any = None


class Reply(NamedTuple):
    """One answer: its status, in how many seconds to come again, and its JSON."""

    status: int
    retry_after: float | None
    body: Any


@dataclass(frozen=True)
class Shop:
    """What is asked of: a port, keys by scope, users and items that exist, and a declared send."""

    port: int
    keys: Mapping[str, str]
    users: Sequence[str]
    items: Sequence[str]
    send: str


@dataclass
class Tally:
    """What became of calls: by outcome, milliseconds of answers by kind, ids of accepted events, snapshots that answered."""

    outcomes: Counter[str] = field(default_factory=Counter)
    times: dict[Kind, list[float]] = field(default_factory=lambda: {kind: [] for kind in SHARES})
    accepted: set[str] = field(default_factory=set)
    snapshots: set[str] = field(default_factory=set)
    kills: list[float] = field(default_factory=list)


class Load:
    """Callers that ask a running shop from `start` to `stop`."""

    def __init__(self, shop: Shop, rate: float, seed: int = 20) -> None:
        """`rate`: calls a second; infinite: as many as the callers get answered."""
        self.tally = Tally()
        self._shop, self._rate, self._seed = shop, rate, seed
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._due = self._moments()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, every call answered."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(3 * PATIENCE_SECONDS)

    def _moments(self) -> Iterator[tuple[int, float]]:
        started, number = time.perf_counter() + 0.1, 0
        while not self._stopping.is_set():
            yield number, started + number / self._rate
            number += 1

    def _call(self) -> None:
        caller = _Caller(self._shop.port)
        while True:
            with self._lock:
                number, due = next(self._due, (-1, 0.0))
            if number < 0:
                return caller.close()
            time.sleep(max(0.0, due - time.perf_counter()))
            name = f"{self._seed}.{number}"  # another load of the same service has other ids
            draw = random.Random(name)
            kind = draw.choices(list(SHARES), list(SHARES.values()))[0]
            self._ask(caller, kind, question(kind, self._shop, name, draw), due if self._rate < float("inf") else None)

    def _ask(self, caller: _Caller, kind: Kind, asked: Question, due: float | None) -> None:
        began, again = time.perf_counter() if due is None else due, False
        try:
            answer = self._sent(caller, asked)
        except (OSError, http.client.HTTPException):
            again = True
            self._count(self._why_broken())
            try:
                answer = self._sent(caller, asked)
            except (OSError, http.client.HTTPException) as error:
                return self._count(f"failed: {kind}: {type(error).__name__} twice")
        milliseconds = (time.perf_counter() - began) * 1000
        with self._lock:
            self.tally.times[kind].append(milliseconds)
        self._count(self._outcome(kind, asked, answer, again))

    def _sent(self, caller: _Caller, asked: Question) -> Reply:
        """Send a call; where the answer is to come again in some seconds, do so, a few times."""
        for _ in range(ATTEMPTS):
            answer = caller.send(asked, self._shop.keys[asked.scope])
            if answer.status != 503 or answer.retry_after is None:
                break
            self._count(f"asked to come again: {asked.method} {asked.address.split('?')[0].split('/')[2]}")
            time.sleep(answer.retry_after)
        return answer

    def _why_broken(self) -> str:
        now = time.perf_counter()
        killed = any(0 <= now - kill <= AFTER_A_KILL_SECONDS for kill in self.tally.kills[-5:])
        return "connection broken by a kill" if killed else "connection broken without a kill"

    def _count(self, outcome: str) -> None:
        with self._lock:
            self.tally.outcomes[outcome] += 1

    def _outcome(self, kind: Kind, asked: Question, answer: Reply, again: bool) -> str:
        body = answer.body
        if answer.status not in (200, 202):
            return f"failed: {kind}: {answer.status}"
        if kind == "page":
            self.tally.snapshots.add(body["snapshot"])
        elif asked.method != "GET":
            if body["rejected"]:
                return f"failed: {kind}: rejected rows"
            if kind == "events":
                if body["duplicates"] and not again:
                    return "failed: events: duplicates that were sent once"
                self.tally.accepted.update(each["event_id"] for each in asked.body["events"])
        return "answered by the second attempt" if again else "answered"


class _Caller:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._connection, self._calls = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS), 0

    def send(self, asked: Question, key: str) -> Reply:
        """Send a call and read the answer; what fails closes the connection, so that the next call opens another."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._calls += 1
        if self._calls % CALLS_A_CONNECTION == 0:
            self.close()
        try:
            text = None if asked.body is None else json.dumps(asked.body)
            self._connection.request(asked.method, asked.address, text, headers)
            answer = self._connection.getresponse()
            body, retry_after = answer.read(), answer.headers["Retry-After"]
            is_json = "json" in answer.headers.get("Content-Type", "")  # a proxy says in HTML that no service answers
            read = json.loads(body) if is_json and asked.scope != "messages" else None
            return Reply(answer.status, None if retry_after is None else float(retry_after), read)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it."""
        with suppress(OSError):
            self._connection.close()


def question(kind: Kind, shop: Shop, name: str, draw: random.Random) -> Question:
    """Make the call of a name, which its ids carry; the same name and draw make the same call."""
    user, item = draw.choice(shop.users), draw.choice(shop.items)
    if kind == "events":
        return Question("POST", "/v1/events", "events", {"events": _events(user, name, draw, shop)})
    if kind == "items":
        return Question("PATCH", "/v1/items", "events", {"items": _items(draw, shop)})
    if kind == "identities":
        link = {"anonymous_id": f"soak-browser-{name}", "user_id": user}
        return Question("POST", "/v1/identities", "events", {"identities": [link]})
    addresses: dict[str, tuple[str, str]] = {
        "page": (f"/v1/users/{quote(user, safe='')}/recommendations?limit=12", "read"),
        "similar": (f"/v1/items/{quote(item, safe='')}/similar", "read"),
        "bestsellers": ("/v1/bestsellers", "read"),
        "popular": ("/v1/popular", "read"),
        "profile": (f"/v1/users/{quote(user, safe='')}/profile", "admin"),
        "card": (f"/v1/sends/{shop.send}/users/{quote(user, safe='')}/card?channel=email", "messages"),
        "moments": ("/v1/moments/cart?limit=100", "messages"),
    }
    address, scope = addresses[kind]
    return Question("GET", address, scope)


def _events(user: str, name: str, draw: random.Random, shop: Shop) -> list[dict[str, Any]]:
    kinds = ("view", "view", "cart_add")
    return [
        {
            "event_id": f"soak-{name}-{part}",
            "user_id": user,
            "event_type": kinds[part % len(kinds)],
            "item_id": draw.choice(shop.items),
        }
        for part in range(EVENTS_AT_ONCE)
    ]


def _items(draw: random.Random, shop: Shop) -> list[dict[str, Any]]:
    return [{"item_id": draw.choice(shop.items), "stock": draw.randrange(1, 500)} for _ in range(ITEMS_AT_ONCE)]
