"""Made-up bodies of events, in the words of all tools and then damaged: refused in words, or kept as what the log may hold.

RECSYS_MADE_UP=4000 tries as many bodies instead of a few.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import clock
from recsys.ids.event_ids import id_problem
from recsys.live.databases import log_in
from recsys.types import EVENT_TYPES, Event
from recsys.web.app import Application
from recsys.web.http.bodies import SAID_TYPES, EventRow
from recsys.web.http.parameters import HIGHEST_PRICE
from recsys.web.resources.shoppers.event_formats import SEGMENT
from recsys.web.resources.shoppers.events import BROWSER_TYPES
from tests.support.servers.intake import EVENTS, intake
from tests.support.servers.serving import bearer, token

TRIED = int(os.environ.get("RECSYS_MADE_UP", "30"))
SHOPPER = "made-up"
IDS = ("event_id", "user_id", "item_id", "session_id", "anonymous_id", "order_id", "recommendation_id", "send_id")

words = st.sampled_from(
    [
        "",
        " ",
        "null",
        "Guest",
        "x" * 257,
        "é" * 128,
        "a\x00",
        "\u2028",
        "\u202e",
        "😀",
        "NaN",
        "1e3",
        "EUR",
        "ſſſ",
        "A > B",
        " > ",
    ]
)
moments = st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01", "2026-02-30T00:00:00Z", "1970-01-01T00:00:00+14:00"])
numbers = st.sampled_from(
    [0, -0.0, -1, 0.5, 1e12, -1e12, 1e308, 5e-324, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**25, True]
)
plain = words | moments | numbers | st.none() | st.text(max_size=5)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2), max_leaves=5
)
rows = st.fixed_dictionaries(
    {"user_id": st.sampled_from([SHOPPER, "other", "", None]), "event_type": st.sampled_from([*SAID_TYPES, "x"])},
    optional=dict.fromkeys(sorted({*EventRow.__struct_fields__, "colour"} - {"user_id", "event_type"}), values),
)
lines = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("item_id", "product_id", "price", "quantity"), plain)), max_size=3
)
ga4 = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["view_item", "purchase", "refund", "view_item_list", "search"]),
        "params": st.fixed_dictionaries({"items": lines}, optional={"transaction_id": plain, "currency": plain}),
    },
    optional={"timestamp_micros": plain},
)
segment = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "page", "identify", "alias", "x"]), "event": st.sampled_from([*SEGMENT.event_types])},
    optional={
        "properties": st.fixed_dictionaries({"products": lines}),
        "userId": plain,
        "anonymousId": plain,
        "timestamp": plain,
    },
)
bodies = (
    st.fixed_dictionaries({"events": st.lists(rows, max_size=4)})
    | st.fixed_dictionaries({"client_id": plain, "events": st.lists(ga4, max_size=3)})
    | st.fixed_dictionaries({"batch": st.lists(segment, max_size=3)})
    | segment
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A body as JSON, one in three with some bytes of it cut, doubled or replaced."""
    body = bytearray(json.dumps(draw(bodies), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=3) | st.just(bytes(body[at : at + 20])))
    return bytes(body)


@pytest.fixture(scope="module")
def app(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The service with a log of its own and no limit on calls."""
    return intake(artifacts, tmp_path_factory.mktemp("made-up"), limits=())


def wrong_with(event: Event) -> list[str]:
    """The columns of an event in the log that hold what none may."""
    ids = [name for name in IDS if (text := getattr(event, name)) is not None and id_problem(text)]
    amounts = {"quantity": event.quantity, "price": event.price, "discount": event.discount}
    counted = [
        name for name, each in amounts.items() if each is not None and not (math.isfinite(each) and each <= HIGHEST_PRICE)
    ]
    owed = [name for name in ("price", "discount") if (amounts[name] or 0) < 0]
    moment = [] if 0 <= event.timestamp <= clock.now() else ["timestamp"]
    money = event.currency
    currency = [] if money is None or (len(money) == 3 and money.isascii() and money.isupper()) else ["currency"]
    kind = [] if event.event_type in EVENT_TYPES else ["event_type"]
    blank = [
        name
        for name in ("query", "category", "coupon", "channel")
        if (text := getattr(event, name)) is not None and not text.strip()
    ]
    return [*ids, *counted, *owed, *moment, *currency, *kind, *blank]


@settings(max_examples=TRIED)
@given(body=damaged(), sender=st.sampled_from(["key", "token", "beacon"]))
def test_what_is_kept_of_made_up_events_is_what_the_log_may_hold(app: Application, body: bytes, sender: str) -> None:
    """Nothing is answered with an unexpected error; what is accepted can be read; a browser adds nothing but its own shopper's."""
    log = log_in(app.service.settings.path(app.service.settings.state.folder))
    before = log.last()
    headers = {"Content-Type": "text/plain"} if sender == "beacon" else {"Content-Type": "application/json"}
    if sender == "beacon":
        body = b'{"token":%b,%b' % (msgspec.json.encode(token(SHOPPER)), body[1:])
    else:
        headers |= EVENTS if sender == "key" else bearer(token(SHOPPER))
    answer = app.test_client().post("/v1/events", data=body, headers=headers)
    assert answer.status_code in (202, 400, 401)
    kept = [event for batch in log.events_between(before, log.last()) for _, _, event in batch]
    assert [wrong for event in kept if (wrong := wrong_with(event))] == []
    assert not kept or answer.status_code == 202
    if sender != "key":
        assert {event.user_id for event in kept} <= {SHOPPER}
        assert {event.event_type for event in kept} <= {*BROWSER_TYPES}
        assert all(event.price is None for event in kept)
