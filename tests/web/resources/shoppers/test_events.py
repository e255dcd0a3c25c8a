"""Events over HTTP: judged one by one, durable, counted once, and inside what the caller may say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import clock
from recsys.clock import DAY, SECOND
from recsys.ids.event_ids import event_id_of
from recsys.live.databases import log_in, open_log
from recsys.live.log import LiveEvent
from recsys.tables.schema import KINDS, TABLES
from recsys.tables.values.times import read_times
from recsys.types import EVENT_TYPES, Event, EventType
from recsys.web.app import Application
from recsys.web.http.answers import EventsAnswer
from recsys.web.http.bodies import TOO_LATE, EventRow, read_time
from recsys.web.http.parameters import BODY_BYTES
from recsys.web.http.problems import Problem
from recsys.web.resources.shoppers.events import BROWSER_TYPES, EventReader
from tests.support.servers.intake import EVENTS, intake, row_results, send
from tests.support.servers.serving import ADMIN, MESSAGES_KEY, READ, bearer, token

NOW = 1_774_958_400_000_000
VIEW = {"user_id": "ada", "event_type": "view", "item_id": "sofa-1"}


@pytest.fixture(scope="module")
def app(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The service with a log of its own; each test speaks of its own shoppers."""
    return intake(artifacts, tmp_path_factory.mktemp("events"))


def events_of(app: Application, user_id: str) -> list[LiveEvent]:
    """What the log holds of a shopper, as another process reads it."""
    return log_in(app.service.settings.path(app.service.settings.state.folder)).events_of(user_id, 0, 1000)


def read_event(row: Any, received: int, now: int, browser: str | None = None) -> Event:
    """Read the only row of a request."""
    found = EventReader(received, now, browser).read((0, row))
    assert isinstance(found, Event)
    return found


def read(**columns: Any) -> Event:
    """One row as it is taken in."""
    return read_event(VIEW | columns, NOW, NOW)


def refusal(**columns: Any) -> str:
    """What is said of a row that is not taken."""
    with pytest.raises(Problem) as error:
        read(**columns)
    return str(error.value)


def test_an_accepted_event_is_in_the_log(app: Application) -> None:
    """When 202 is answered another process finds the event; the answer has exactly the documented members."""
    rows = [
        {"user_id": "kept", "event_type": "view", "item_id": "sofa-1", "timestamp": "2026-03-31T11:00:00Z"},
        {"user_id": "kept", "event_type": "purchase", "item_id": "sofa-2", "timestamp": NOW, "order_id": "o", "quantity": 2},
    ]
    answer = send(app, {"events": rows})
    assert row_results(answer) == {"accepted": 2, "duplicates": 0, "rejected": []}
    msgspec.json.decode(answer.data, type=EventsAnswer, strict=True)
    assert [each[1:6] for each in events_of(app, "kept")] == [
        (NOW - 3600 * SECOND, EventType.VIEW, "sofa-1", None, None),
        (NOW, EventType.PURCHASE, "sofa-2", "o", 2.0),
    ]


def test_one_bad_row_never_loses_the_others(app: Application) -> None:
    """Bad rows are named with their place; what stands around them is taken."""
    rows = [VIEW | {"user_id": "around"}, 5, VIEW | {"price": -1}, None, VIEW | {"user_id": "around", "item_id": "sofa-2"}]
    found = row_results(send(app, {"events": rows}))
    assert (found["accepted"], [each["index"] for each in found["rejected"]]) == (2, [1, 2, 3])
    assert "price: -1" in found["rejected"][1]["error"]
    assert [each.item_id for each in events_of(app, "around")] == ["sofa-1", "sofa-2"]


def test_rows_have_the_columns_of_the_table() -> None:
    """What a live event may say is what the table `events` may hold, and all of it is kept; ids are checked as ids. Only a dislike,
    which is no event of the table, says what it `hides`."""
    columns = {column.name: column for column in TABLES["events"]}
    assert {*EventRow.__struct_fields__} - {"hides"} == {*columns, "properties"} == set(Event.__struct_fields__)
    assert {"user_id", *EventRow.IDS} == {name for name, column in columns.items() if column.kind == "id"}
    assert {column.kind for column in columns.values()} <= set(KINDS)


@pytest.mark.parametrize("name", [column.name for column in TABLES["events"]])
def test_a_wrong_column_is_named_with_what_it_accepts(name: str) -> None:
    """A value of another type is refused, whatever the column."""
    wrong: Any = ["x"] if name in ("quantity", "price", "discount") else 1.5
    assert refusal(**{name: wrong}).startswith(f"{name}: ")
    assert "; allowed: " in refusal(**{name: wrong})
    if name not in ("timestamp", "quantity", "price", "discount"):
        assert "Expected" not in refusal(**{name: wrong})


def nested(levels: int) -> dict[str, Any]:
    """Lists within each other, in an object: so many levels in all."""
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return {"a": value}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("user_id", "", "is empty"),
        ("user_id", None, "is empty"),
        ("user_id", "x" * 257, "has 257 bytes"),
        ("item_id", "é" * 129, "has 258 bytes"),
        ("event_id", "a\x00b", "control character"),
        ("session_id", "a\nb", "control character"),
        ("anonymous_id", "\x7f", "control character"),
        ("order_id", "x" * 257, "has 257 bytes"),
        ("send_id", "\x85", "control character"),
        ("event_type", "buy", "one of home_view, "),
        ("event_type", "VIEW", "one of home_view, "),
        ("timestamp", "yesterday", "ISO 8601"),
        ("timestamp", "2026-03-31T11:00:00", "with its zone"),
        ("timestamp", "1970-12-31T23:59:59Z", "since 1970"),
        ("timestamp", -1, "since 1970"),
        ("timestamp", "2200-01-01T00:00:00Z", "before the year 2200"),
        ("timestamp", True, "ISO 8601"),
        ("quantity", 1e10, "1000000000"),
        ("quantity", "2", "a number"),
        ("price", -0.01, "from 0"),
        ("price", 1.1e12, "1000000000000"),
        ("discount", -1, "from 0"),
        ("currency", "EURO", "three letters"),
        ("currency", "€", "three letters"),
        ("category", "x" * 1025, "characters"),
        ("query", "x" * 2001, "2000 characters"),
        ("channel", "x" * 2001, "2000 characters"),
        ("recommendation_id", "x" * 257, "has 257 bytes"),
        ("coupon", "x" * 2001, "2000 characters"),
        ("properties", {"note": "x" * 2000}, "have 2011 bytes as JSON"),
        ("properties", "red", "an object of up to 2000 bytes as JSON"),
        ("properties", nested(21), "are nested too deeply"),
        ("properties", nested(980), "are nested too deeply"),
    ],
)
def test_values_that_a_column_cannot_hold_are_refused(name: str, value: Any, said: str) -> None:
    """Each rule of a column is kept, and said in words with the value, shortened."""
    error = refusal(**{name: value})
    assert error.startswith(f"{name}: ")
    assert said in error
    assert len(error) < 450


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_id", "x" * 256),
        ("item_id", "a/b 😀"),
        ("timestamp", "1971-01-01T00:00:00Z"),
        ("timestamp", "2199-12-31T23:59:59.999999Z"),
        ("quantity", -1e9),
        ("price", 0),
        ("price", 1e12),
        ("currency", " eur "),
        ("category", "x" * 1024),
        ("query", "x" * 2000),
        ("coupon", "a\nb"),
        ("discount", 0.5),
    ],
)
def test_limits_are_inclusive(name: str, value: Any) -> None:
    """The largest and smallest that are allowed are taken."""
    assert read(**{name: value}) != read()


def test_what_is_no_column_is_kept_as_a_property(app: Application) -> None:
    """Members of the shop's own stay with their event in the log; the answer names them, so that a misspelt column is noticed."""
    rows = [
        VIEW | {"user_id": "own-members", "colour": "red", "properties": {"page": {"path": "/s"}}},
        VIEW | {"user_id": "own-members", "pirce": 5, "event_id": "e"},
        VIEW | {"user_id": "own-members", "event_id": "plain", "properties": {}},
    ]
    found = row_results(send(app, {"events": rows}))
    assert found == {"accepted": 3, "duplicates": 0, "rejected": [], "properties": ["colour", "page", "pirce"]}
    folder = app.service.settings.path(app.service.settings.state.folder)
    written = [each for batch in log_in(folder).events_between(0, 1 << 60) for _, _, each in batch]
    own = [each.properties for each in written if each.user_id == "own-members"]
    assert own == [{"page": {"path": "/s"}, "colour": "red"}, {"pirce": 5}, None]


def test_properties_are_bounded_together() -> None:
    """Up to 2,000 bytes of JSON, those under `properties` and a row's other members together."""
    most = {"properties": {"a": "x"}, "b": "x" * (2000 - len('{"a":"x","b":""}'))}
    assert read(**most).properties == {"a": "x", "b": most["b"]}
    assert refusal(**most, c=1).startswith("properties: have 2006 bytes")
    assert read(properties=nested(20)).properties == nested(20)


def test_nothing_is_nothing() -> None:
    """In an optional column null and empty text are the same as an absent one, as in the tables."""
    optional = [name for name in EventRow.__struct_fields__ if name not in VIEW | {"timestamp": None}]
    texts = [name for name in optional if name not in ("quantity", "price", "discount", "properties")]
    assert read(timestamp=NOW, **dict.fromkeys(optional)) == read(timestamp=NOW, **dict.fromkeys(texts, ""))
    assert read(timestamp=NOW, **dict.fromkeys(optional)) == read(timestamp=NOW)
    assert read(timestamp=None).timestamp == read().timestamp == NOW


def test_values_are_tidied_as_in_tables() -> None:
    """Texts are trimmed, currencies in capitals, categories canonical."""
    event = read(currency=" eur", category="Home>Sofas > ", query=" oak ", channel="\t")
    assert (event.currency, event.category, event.query, event.channel) == ("EUR", "Home > Sofas", "oak", None)


def test_refunds_carry_positive_numbers_and_nothing_bought_has_no_price() -> None:
    """The sign of a refund is dropped; a price is one piece's, so none where quantity is 0 or less."""
    refund = read(event_type="refund", quantity=-2, price=-9.5, discount=-1)
    assert (refund.quantity, refund.price, refund.discount) == (2, 9.5, 1)
    for quantity in (0, -1):
        assert read(quantity=quantity, price=9.5).price is None
        assert read(quantity=quantity).quantity == quantity


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_needs_an_item_is_refused_without_one(kind: str) -> None:
    """Views, carts, purchases and refunds are of an item; impressions and clicks of an item, a list or a message."""
    needs = kind in ("view", "cart_add", "cart_remove", "purchase", "refund")
    seen = kind in ("impression", "click")
    for nothing in ({"item_id": None}, {"item_id": ""}):
        if needs or seen:
            assert f"item_id: {'' if nothing['item_id'] is None else repr('') + ' '}is needed for {kind}" in refusal(
                event_type=kind, **nothing
            )
        else:
            assert read(event_type=kind, **nothing).item_id is None
    for attribution in ({"recommendation_id": "r"}, {"send_id": "s"}):
        row = {"event_type": kind, "item_id": None, **attribution}
        if needs:
            assert f"is needed for {kind}" in refusal(**row)
        else:
            assert read(**row).item_id is None


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2026-03-31T12:00:00Z", NOW),
        ("2026-03-31T14:00:00.000001+02:00", NOW + 1),
        (NOW, NOW),
        (str(NOW), NOW),
        (NOW // 1000, NOW),
        (NOW // SECOND, NOW),
        (NOW * 1000, NOW),
        (0, 0),
        (99_999_999_999, None),
        (TOO_LATE // SECOND - 1, TOO_LATE - SECOND),
        (TOO_LATE // SECOND, None),
        ("٣", None),
        ("", None),
        (10**25, None),
    ],
)
def test_times_are_told_apart_by_size_as_in_tables(given: int | str, moment: int | None) -> None:
    """ISO 8601 with a zone, or seconds, ms, µs or ns since 1970, from 1970 to before 2200."""
    assert read_time(given) == moment


def test_numbers_mean_the_same_time_as_in_tables() -> None:
    """Seconds, ms, µs and ns are told apart at the same sizes."""
    numbers = [10**power + one for power in (9, 11, 14, 17, 18) for one in (-1000, 0, 1000)]
    of_tables = read_times(pl.Series(numbers)).dt.epoch("us").to_list()
    assert [read_time(number) for number in numbers] == [moment if 0 <= moment < TOO_LATE else None for moment in of_tables]


def test_an_event_is_never_later_than_its_receipt() -> None:
    """A time in the future counts as now, none at all is now; its derived id keeps the time as it was given."""
    assert read(timestamp=NOW + DAY).timestamp == NOW
    assert read(timestamp=NOW - 1).timestamp == NOW - 1
    assert read().timestamp == NOW
    assert read(timestamp=NOW + DAY).event_id == event_id_of("ada", "view", "sofa-1", NOW + DAY, None)


def test_without_an_event_id_it_is_the_one_that_tables_derive() -> None:
    """So the same event is one event, sent live and found in a table."""
    row = {"event_type": "purchase", "timestamp": NOW - 5, "order_id": "o-1", "price": 5, "category": "A"}
    assert read(**row).event_id == event_id_of("ada", "purchase", "sofa-1", NOW - 5, "o-1")
    assert read(**row, event_id="mine").event_id == "mine"


def test_without_a_user_the_visitor_is_the_user() -> None:
    """An anonymous id takes the place of an absent or empty user id, and stays in its own column."""
    for nothing in ("", None):
        event = read(user_id=nothing, anonymous_id="anon")
        assert (event.user_id, event.anonymous_id) == ("anon", "anon")
    assert read(anonymous_id="anon").user_id == "ada"


def test_an_event_counts_once(app: Application) -> None:
    """However often it is sent: in one request, in the next, under its own id or the derived one."""
    own = VIEW | {"user_id": "once", "event_id": "e-1"}
    derived = VIEW | {"user_id": "once", "timestamp": NOW}
    assert row_results(send(app, {"events": [own, own, derived]})) == {"accepted": 2, "duplicates": 1, "rejected": []}
    assert row_results(send(app, {"events": [derived, own]})) == {"accepted": 0, "duplicates": 2, "rejected": []}
    assert len(events_of(app, "once")) == 2


@pytest.mark.parametrize("clock", ["wall", "events"])
def test_events_with_neither_id_nor_time_are_as_many_as_are_sent(artifacts: Path, tmp_path: Path, clock: str) -> None:
    """Whoever means one event twice says its id; the clock that stands still makes no two events one."""
    app = intake(artifacts, tmp_path, clock=clock)
    look = VIEW | {"user_id": "twice"}
    assert row_results(send(app, {"events": [look, look]}))["accepted"] == 2
    assert row_results(send(app, {"events": [look]}))["accepted"] == 1
    once = look | {"event_id": "e-1"}
    assert [row_results(send(app, {"events": [once]}))["duplicates"] for _ in range(2)] == [0, 1]
    assert len(events_of(app, "twice")) == 4


def test_equal_lines_of_an_order_are_as_many_lines(app: Application) -> None:
    """Purchases and refunds that are equal in one request are lines of their order; the request sent again adds none."""
    line = {"user_id": "lines", "event_type": "purchase", "item_id": "a", "order_id": "o", "timestamp": NOW}
    back, unordered = line | {"event_type": "refund", "timestamp": NOW + 1}, line | {"order_id": None}
    body = {"events": [line, unordered, line | {"item_id": "b"}, line, back, unordered, back]}
    assert row_results(send(app, body)) == {"accepted": 6, "duplicates": 1, "rejected": [], "unknown_items": ["a", "b"]}
    assert row_results(send(app, body)) == {"accepted": 0, "duplicates": 7, "rejected": [], "unknown_items": ["a", "b"]}
    assert [row_results(send(app, {"events": [each]}))["duplicates"] for each in (line, back)] == [1, 1]


def test_two_variants_of_an_item_are_two_lines(app: Application) -> None:
    """An order of a tool that names an item twice keeps both; the tool's event told again is the same two."""
    bought = {"name": "purchase", "params": {"transaction_id": "t", "items": [{"item_id": "a"}, {"item_id": "a"}]}}
    body = {"client_id": "ga.3", "timestamp_micros": NOW, "events": [bought, bought]}
    assert row_results(send(app, body)) == {"accepted": 2, "duplicates": 2, "rejected": [], "unknown_items": ["a"]}
    assert row_results(send(app, body))["accepted"] == 0


def test_a_refund_is_of_an_item_or_of_an_order(app: Application) -> None:
    """Of what it is one of the two says; with neither it is refused in words."""
    refund = {"event_type": "refund", "user_id": "back"}
    assert row_results(send(app, {"events": [refund | {"order_id": "o"}, refund | {"item_id": "a"}]}))["accepted"] == 2
    assert refusal(event_type="refund", item_id=None).startswith("item_id: is needed for refund; allowed: ")
    assert refusal(event_type="refund", item_id=None).endswith("or instead of it order_id")


def test_tools_are_understood_at_the_same_address(app: Application) -> None:
    """GA4's and Segment's requests are told by their members; what means nothing is counted."""
    ga4 = {
        "client_id": "ga.1",
        "events": [{"name": "view_item", "params": {"items": [{"item_id": "a"}]}}, {"name": "scroll"}],
    }
    assert row_results(send(app, ga4)) == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [],
        "ignored": 1,
        "unknown_items": ["a"],
    }
    call = {"type": "track", "event": "Product Added", "userId": "seg", "messageId": "m", "properties": {"product_id": "a"}}
    assert row_results(send(app, call)) == {"accepted": 1, "duplicates": 0, "rejected": [], "unknown_items": ["a"]}
    assert row_results(send(app, {"batch": [call, {"type": "group"}]})) == {
        "accepted": 0,
        "duplicates": 1,
        "rejected": [],
        "ignored": 1,
        "unknown_items": ["a"],
    }
    assert [each.event_type for each in events_of(app, "ga.1")] == [EventType.VIEW]
    assert [each.event_type for each in events_of(app, "seg")] == [EventType.CART_ADD]


def test_a_tools_item_is_judged_like_any_row(app: Application) -> None:
    """Of one purchase the item that cannot be taken is named with the event's place, the others are taken."""
    items = [{"item_id": "a"}, {"item_id": "b", "price": -5}, {"item_name": "no id"}]
    event = {"name": "purchase", "params": {"transaction_id": "o", "items": items}}
    found = row_results(send(app, {"client_id": "ga.2", "events": [{"name": "scroll"}, event]}))
    assert (found["accepted"], found["ignored"]) == (1, 1)
    assert [each["index"] for each in found["rejected"]] == [1, 1]
    assert [each.item_id for each in events_of(app, "ga.2")] == ["a"]


def test_identify_links_its_two_ids(app: Application) -> None:
    """What was done under the anonymous id belongs to the user from the next answer on; links are judged like others."""
    live = app.service.live
    seen = {"type": "track", "event": "Product Viewed", "anonymousId": "browser-7", "properties": {"product_id": "sofa-1"}}
    identify = {"type": "identify", "userId": "customer", "anonymousId": "browser-7"}
    same = {"type": "identify", "userId": "customer", "anonymousId": "customer"}
    found = row_results(send(app, {"batch": [identify, same, seen]}))
    assert (found["accepted"], [each["index"] for each in found["rejected"]]) == (2, [1])
    assert live.serving().is_anonymous("browser-7")
    assert len(live.serving().history("customer")) == 1


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_browser_tells_only_what_a_browser_sees(app: Application, kind: str) -> None:
    """Views, searches, carts, impressions and clicks; never a checkout, a purchase or a refund."""
    row = {"user_id": f"web-{kind}", "event_type": kind, "item_id": "a"}
    found = row_results(send(app, {"events": [row]}, bearer(token(f"web-{kind}"))))
    assert found["accepted"] == (kind in BROWSER_TYPES) == (kind not in ("checkout", "purchase", "refund"))
    folder = app.service.settings.path(app.service.settings.state.folder)
    written = [each for batch in log_in(folder).events_between(0, 1 << 60) for _, _, each in batch]
    assert sum(each.user_id == f"web-{kind}" for each in written) == found["accepted"]
    assert all("needs a key" in each["error"] for each in found["rejected"])


def test_a_browser_speaks_for_its_own_shopper(app: Application) -> None:
    """Rows of others are rejected in the same words, known or not, also under an anonymous id; so are links."""
    send(app, {"events": [VIEW | {"user_id": "known-other"}]})
    mine, other, nobody = (VIEW | {"user_id": user} for user in ("own", "known-other", "unknown-other"))
    anonymous = {"anonymous_id": "known-other", "event_type": "view", "item_id": "a"}
    found = row_results(send(app, {"events": [other, mine, nobody, anonymous]}, bearer(token("own"))))
    assert (found["accepted"], [each["index"] for each in found["rejected"]]) == (1, [0, 2, 3])
    said = [each["error"] for each in found["rejected"]]
    assert said[0] == said[1].replace("unknown-other", "known-other") == said[2]
    assert len(events_of(app, "known-other")) == 1
    identify = {"type": "identify", "userId": "own", "anonymousId": "own-visitor"}
    (rejected,) = row_results(send(app, identify, bearer(token("own"))))["rejected"]
    assert "needs a key" in rejected["error"]
    assert not app.service.live.serving().is_anonymous("own-visitor")


def test_a_browser_says_nothing_of_the_shop() -> None:
    """Neither where an item belongs, nor what happened long ago; and without a time it is now, which it cannot move on."""
    event = read_event(VIEW | {"category": "Adult > Toys", "timestamp": None}, NOW + 9 * DAY, NOW, "ada")
    assert (event.category, event.timestamp) == (None, NOW)
    assert read_event(VIEW | {"timestamp": NOW + DAY}, NOW, NOW, "ada").timestamp == NOW
    with pytest.raises(Problem, match="within the last day, for a browser token"):
        read_event(VIEW | {"timestamp": NOW - DAY - 1_000_000}, NOW, NOW, "ada")


def test_a_browser_sets_no_prices() -> None:
    """Price, currency and discount of a browser's event are dropped."""
    row = VIEW | {"price": 1, "currency": "EUR", "discount": 1, "quantity": 2, "query": "q", "recommendation_id": "r"}
    event = read_event(row, NOW, NOW, "ada")
    assert (event.price, event.currency, event.discount) == (None, None, None)
    assert (event.quantity, event.query, event.recommendation_id) == (2, "q", "r")


def test_a_browser_cannot_take_the_id_of_somebody_elses_event(app: Application) -> None:
    """Its event ids are its own: the shop's event of the same id is still taken, its own second one is not."""
    stolen = VIEW | {"user_id": "thief", "event_id": "order-1"}
    assert row_results(send(app, {"events": [stolen, stolen]}, bearer(token("thief"))))["duplicates"] == 1
    owner = {"user_id": "owner", "event_type": "purchase", "item_id": "a", "event_id": "order-1"}
    assert row_results(send(app, {"events": [owner]}))["accepted"] == 1
    ids = {
        read_event(VIEW | {"user_id": user, "event_id": "order-1"}, NOW, NOW, user).event_id for user in ("thief", "owner")
    }
    assert len(ids | {"order-1"}) == 3
    timed = VIEW | {"timestamp": NOW}
    assert read_event(timed, NOW, NOW, "ada").event_id == read(**timed).event_id


def test_only_the_scope_events_and_browsers_may_send(app: Application) -> None:
    """Without a key 401, with one of another scope 403."""
    assert send(app, {"events": []}, {}).status_code == 401
    for headers in (READ, ADMIN, bearer(MESSAGES_KEY)):
        assert send(app, {"events": []}, headers).status_code == 403
    for headers in (EVENTS, bearer(token("ada"))):
        assert row_results(send(app, {"events": []}, headers)) == {"accepted": 0, "duplicates": 0, "rejected": []}


def test_events_are_accepted_without_a_snapshot(tmp_path: Path) -> None:
    """Nothing is lost while there is nothing to serve; links, which need the known users, are 503 and may be sent again."""
    app = intake(tmp_path / "artifacts", tmp_path)
    assert row_results(send(app, {"events": [VIEW]}))["accepted"] == 1
    event = {"type": "track", "event": "Products Searched", "userId": "ada"}
    answer = send(app, {"batch": [event, {"type": "identify", "userId": "ada", "anonymousId": "anon"}]})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert len(events_of(app, "ada")) == 1


def test_sizes_are_bounded(app: Application) -> None:
    """A thousand events are taken, one more is 400; a body of more than a mebibyte is 413."""
    rows = [VIEW | {"user_id": "many", "timestamp": NOW + at} for at in range(1000)]
    assert row_results(send(app, {"events": rows}))["accepted"] == 1000
    long: list[dict[str, Any]] = [
        {"events": [*rows, VIEW]},
        {"batch": [{}] * 1001},
        {"client_id": "c", "events": [{}] * 1001},
    ]
    for body in long:
        answer = send(app, body)
        assert (answer.status_code, answer.get_json()["parameter"]) == (400, "batch" if "batch" in body else "events")
    assert send(app, {"events": [{"query": "x" * BODY_BYTES}]}).status_code == 413


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "events"),
        ({"events": None}, "events"),
        ({"events": {}}, "events"),
        ({"events": [], "colour": 1}, "colour"),
        ({"client_id": "c"}, "events"),
        ({"client_id": ["c"], "events": []}, "client_id"),
        ({"batch": 5}, "batch"),
        ({"type": 5}, "type"),
        ({"type": "track", "properties": 5}, "properties"),
    ],
)
def test_a_body_of_no_known_form_is_400(app: Application, body: dict[str, Any], parameter: str) -> None:
    """What is wrong with the whole body is a problem that names the member."""
    answer = send(app, body)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, parameter)


def test_the_clock_of_receipt_is_the_wall(app: Application) -> None:
    """An event without a time counts at the moment of the request."""
    before = clock.now()
    send(app, {"events": [VIEW | {"user_id": "now"}, VIEW | {"user_id": "now", "timestamp": "2199-01-01T00:00:00Z"}]})
    after = clock.now()
    times = [each.timestamp for each in events_of(app, "now")]
    assert len(times) == 2
    assert all(before <= moment <= after for moment in times)


texts = st.text(max_size=4) | st.sampled_from(["", "a\x00", "x" * 300, *EVENT_TYPES])
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
columns = st.sampled_from(EventRow.__struct_fields__) | texts
rows_of_anything = st.dictionaries(columns, json_values, max_size=5) | json_values
good_rows = st.fixed_dictionaries(
    {"user_id": st.sampled_from(["hyp-1", "hyp-2"]), "event_type": st.sampled_from(EVENT_TYPES)},
    optional={"item_id": texts, "timestamp": st.integers(), "price": st.floats(allow_nan=False), "anonymous_id": texts},
)
bodies = (
    st.fixed_dictionaries({"events": st.lists(good_rows | rows_of_anything, max_size=5)})
    | st.fixed_dictionaries({"client_id": texts, "events": st.lists(rows_of_anything, max_size=3)})
    | st.fixed_dictionaries({"batch": st.lists(rows_of_anything, max_size=3)})
    | st.dictionaries(st.sampled_from(["events", "batch", "client_id", "type", "event", "properties"]) | texts, json_values)
)
senders: list[Callable[[], dict[str, str]]] = [lambda: EVENTS, lambda: bearer(token("hyp-1"))]


@given(body=bodies, sender=st.sampled_from(senders))
def test_any_object_is_judged_or_refused(
    app: Application, body: dict[str, Any], sender: Callable[[], dict[str, str]]
) -> None:
    """No JSON object gets an unexpected error, and the verdicts add up to the rows that were sent."""
    encoded = msgspec.json.encode(body)
    headers = {**sender(), "Content-Type": "application/json"}
    answer = app.test_client().post("/v1/events", data=encoded, headers=headers)
    assert answer.status_code in (202, 400)
    if answer.status_code == 400:
        return
    found = msgspec.json.decode(answer.data, type=EventsAnswer)
    total = found.accepted + found.duplicates + len(found.rejected) + found.ignored
    sent = next((body[name] for name in ("events", "batch") if name in body), [body])
    assert total == len(sent) if "client_id" not in body and "batch" not in body else total >= len(sent)


def test_what_nobody_did_is_nobodys(app: Application) -> None:
    """An event under a word for "nobody" is taken and belongs to nobody: no history, no profile; the browser's id beside it counts."""
    rows = [
        VIEW | {"user_id": "Guest", "timestamp": NOW},
        VIEW | {"user_id": "undefined", "anonymous_id": "anon-9", "timestamp": NOW},
    ]
    assert row_results(send(app, {"events": rows}))["accepted"] == 2
    serving = app.service.live.serving()
    assert [len(serving.history(who)) for who in ("Guest", "guest", "undefined", "anon-9")] == [0, 0, 0, 1]
    profile = app.test_client().get("/v1/users/guest/profile", headers=ADMIN).get_json()
    assert (profile["known"], profile["last_seen"]) == (False, None)
    expected = event_id_of("Guest", "view", "sofa-1", NOW, None), event_id_of("anon-9", "view", "sofa-1", NOW, None)
    log = open_log(app.service.settings)
    assert set(expected) <= {each.event_id for batch in log.events_between(0, log.last()) for _, _, each in batch}
