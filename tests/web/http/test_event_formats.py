"""GA4's and Segment's events become this service's rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.tables.presets import mapping_of
from recsys.types import EVENT_TYPES
from recsys.web.http.bodies import Ga4Body, SegmentCall
from recsys.web.http.parameters import read_body
from recsys.web.http.problems import Problem
from recsys.web.resources.shoppers.event_formats import MAX_UNFOLDED, SEGMENT, Unfolded, unfold
from recsys.web.resources.shoppers.events import OPERATIONS

(POST,) = OPERATIONS


def unfolded(body: Any) -> Unfolded:
    """What a body holds, read as the service reads it."""
    return unfold(read_body(msgspec.json.encode(body), POST.parameters, POST.shapes))


def rows(body: Any) -> list[dict[str, Any]]:
    """The rows of a body of which nothing is rejected."""
    found = unfolded(body)
    assert found.rejected == []
    return [row for _, row in found.rows]


def ga4(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A request of the Measurement Protocol."""
    return {"client_id": "123.456", "events": list(events), **more}


def track(name: str, **properties: Any) -> dict[str, Any]:
    """Segment's call for something that a shopper did."""
    return {"type": "track", "event": name, "userId": "ada", "properties": properties}


PURCHASE = {
    "name": "purchase",
    "params": {
        "transaction_id": "T-1",
        "currency": "USD",
        "value": 30.03,
        "coupon": "SUMMER",
        "session_id": 1700000000,
        "engagement_time_msec": 100,
        "items": [
            {
                "item_id": "SKU-1",
                "item_name": "Tee",
                "price": 10.01,
                "quantity": 3,
                "discount": 2.0,
                "item_brand": "Acme",
                "item_category": "Apparel",
                "item_category2": "Adult > Tall",
                "index": 0,
            },
            {"item_id": 42, "price": "9.99", "quantity": "1", "coupon": "OWN", "item_category": "(not set)"},
        ],
    },
}


def test_a_ga4_purchase_becomes_a_row_for_each_item() -> None:
    """Order, currency, coupon and session are said once for all items; an item's own word goes first; numbers may be text."""
    both = {"user_id": "ada", "anonymous_id": "123.456", "timestamp": 1700000000000000, "event_type": "purchase"}
    order = {"order_id": "T-1", "currency": "USD", "session_id": "1700000000"}
    body = ga4(PURCHASE, user_id="ada", timestamp_micros=1700000000000000, non_personalized_ads=False)
    assert rows(body) == [
        both
        | order
        | {"item_id": "SKU-1", "price": 10.01, "quantity": 3.0, "coupon": "SUMMER", "category": "Apparel > Adult \\> Tall"},
        both | order | {"item_id": "42", "price": 9.99, "quantity": 1.0, "coupon": "OWN"},
    ]


FULL = [
    ga4({"name": "refund", "params": {"transaction_id": "T-1", "currency": "EUR", "value": 400}}),
    ga4({"name": "refund", "params": {"transaction_id": "T-1", "items": []}}),
    track("Order Refunded", order_id="T-1", total=400, currency="EUR"),
    track("Order Cancelled", order_id="T-1", products=[]),
]


@pytest.mark.parametrize("body", FULL)
def test_a_refund_without_items_is_of_its_order(body: dict[str, Any]) -> None:
    """GA4's full refund and Segment's cancelled order name the order alone."""
    (row,) = rows(body)
    assert {name: row.get(name) for name in ("event_type", "order_id", "item_id")} == {
        "event_type": "refund",
        "order_id": "T-1",
        "item_id": None,
    }


def test_a_refunded_item_that_cannot_be_told_is_not_the_whole_order() -> None:
    """Where a refund lists items, one without an id has no order either; the others are of it."""
    items = [{"item_id": "a"}, {"item_name": "no id"}]
    stated = rows(ga4({"name": "refund", "params": {"transaction_id": "T-1", "items": items}}))
    assert [(row.get("item_id"), row.get("order_id")) for row in stated] == [("a", "T-1"), (None, None)]
    stated = rows(track("Order Refunded", order_id="T-1", products=[{"name": "no id"}]))
    assert [(row.get("item_id"), row.get("order_id")) for row in stated] == [(None, None)]


@pytest.mark.parametrize(("name", "kind"), sorted(mapping_of("ga4").event_types.items()))
def test_ga4_names_mean_what_they_mean_in_tables(name: str, kind: str) -> None:
    """One table of names for exports and for live events; what means nothing there is ignored here."""
    found = unfolded(ga4({"name": name, "params": {"items": [{"item_id": "1"}]}}))
    assert [row["event_type"] for _, row in found.rows] == ([kind] if kind else [])
    assert found.ignored == (not kind)


def test_this_services_own_words_are_taken_in_ga4_events() -> None:
    """What GA4 has no name for, such as the home page, is sent under this service's name; other names are ignored."""
    found = unfolded(
        ga4({"name": "home_view"}, {"name": "category_view", "params": {"item_category": "A"}}, {"name": "ping"})
    )
    assert [row["event_type"] for _, row in found.rows] == ["home_view", "category_view"]
    assert found.rows[1][1]["category"] == "A"
    assert found.ignored == 1


def test_without_a_user_the_visitor_is_the_user() -> None:
    """client_id, app_instance_id or anonymousId stand for a user that the tool does not know."""
    assert rows(ga4({"name": "search", "params": {"search_term": "oak"}})) == [
        {"user_id": "123.456", "anonymous_id": "123.456", "event_type": "search", "query": "oak"}
    ]
    assert rows({"app_instance_id": "app", "events": [{"name": "search"}]})[0]["user_id"] == "app"
    call = {"type": "page", "name": "Home", "userId": None, "anonymousId": "anon"}
    assert rows(call) == [{"user_id": "anon", "anonymous_id": "anon", "event_type": "home_view"}]


def test_an_events_own_time_goes_before_the_requests() -> None:
    """timestamp_micros of one event overrides that of the request."""
    found = rows(ga4({"name": "search", "timestamp_micros": 2}, {"name": "search"}, timestamp_micros="1"))
    assert [row["timestamp"] for row in found] == [2, "1"]


def test_a_list_of_nothing_is_no_impression() -> None:
    """An impression needs an item, or says which recommendations or message were seen."""
    assert unfolded(ga4({"name": "view_item_list", "params": {"item_list_id": "x"}})).ignored == 1
    seen = rows(ga4({"name": "view_item_list", "params": {"recommendation_id": "r", "items": []}}))
    assert seen[0]["recommendation_id"] == "r"
    both = rows(ga4({"name": "view_item_list", "params": {"send_id": "s", "items": [{"item_id": "1"}, {"item_id": "2"}]}}))
    assert [(row["item_id"], row["send_id"]) for row in both] == [("1", "s"), ("2", "s")]


def test_a_segment_order_becomes_a_row_for_each_product() -> None:
    """Products with their own price and category, ids made of the message's and their place, sku where there is no id."""
    call = track(
        "Order Completed",
        order_id="o-1",
        currency="EUR",
        coupon="ALL",
        discount=2.5,
        products=[
            {"product_id": "p-1", "sku": "s-1", "price": 19, "quantity": 1, "category": "Games"},
            {"sku": "s-2", "price": "3", "quantity": 2, "coupon": "OWN"},
        ],
    )
    call |= {"messageId": "m-1", "anonymousId": "anon", "timestamp": "2026-02-23T22:28:55.111Z", "channel": "browser"}
    both = {"user_id": "ada", "anonymous_id": "anon", "timestamp": "2026-02-23T22:28:55.111Z", "channel": "browser"}
    both |= {"event_type": "purchase", "order_id": "o-1", "currency": "EUR"}
    one = {"item_id": "p-1", "price": 19.0, "quantity": 1.0, "category": "Games", "coupon": "ALL"}
    two = {"item_id": "s-2", "price": 3.0, "quantity": 2.0, "coupon": "OWN"}
    assert rows(call) == [both | one, both | two]
    del call["timestamp"]
    assert [row["event_id"] for row in rows(call)] == ["m-1:0", "m-1:1"]


@pytest.mark.parametrize("preset", ["segment", "rudderstack", "segment_warehouse", "rudderstack_warehouse"])
def test_exports_know_the_events_that_are_known_live(preset: str) -> None:
    """An event means the same in a call and in the export of the same tool, or is in neither."""
    named = {name.replace("_", " ").lower(): kind for name, kind in mapping_of(preset).event_types.items() if kind}
    assert named == SEGMENT.event_types


@pytest.mark.parametrize(("name", "kind"), sorted(SEGMENT.event_types.items()))
def test_segment_names_are_known_in_any_case(name: str, kind: str) -> None:
    """Every name of the table is taken as Segment writes it; each means one of this service's words."""
    assert kind in EVENT_TYPES
    found = rows(track(name.title(), product_id="1"))
    assert [(row["event_type"], row["item_id"]) for row in found] == [(kind, "1")]


def test_a_viewed_list_is_a_category_and_its_products() -> None:
    """The page's category is not the products'."""
    call = track(
        "Product List Viewed", category="Deals", products=[{"product_id": "1"}, {"product_id": "2", "category": "A"}]
    )
    found = [(row["event_type"], row.get("item_id"), row.get("category")) for row in rows(call)]
    assert found == [("category_view", None, "Deals"), ("impression", "1", None), ("impression", "2", "A")]
    assert unfolded(track("Product List Viewed", list_id="x")).ignored == 1


@pytest.mark.parametrize(
    "page",
    [{"name": "Home"}, {"name": " home page "}, {"properties": {"path": "/"}}, {"properties": {"name": "Homepage"}}],
)
def test_the_home_page_is_told_by_name_or_path(page: dict[str, Any]) -> None:
    """Of all pages and screens only home means something."""
    for kind in ("page", "screen"):
        assert [row["event_type"] for row in rows({"type": kind, "userId": "ada", **page})] == ["home_view"]


def test_what_means_nothing_here_is_ignored_and_counted() -> None:
    """Other pages, groups, other names, and identify with one id only."""
    calls = [
        {"type": "page", "name": "Contact", "userId": "ada"},
        {"type": "group", "userId": "ada", "groupId": "g"},
        {"type": "identify", "userId": "ada", "traits": {"email": "a@b.example"}},
        {"type": "identify", "anonymousId": "anon"},
        track("Song Played"),
    ]
    found = unfolded({"batch": calls, "sentAt": "2026-01-01T00:00:00Z", "writeKey": "k"})
    assert (found.ignored, found.rows, found.links, found.rejected) == (5, [], [], [])


def test_identify_and_alias_link_two_ids() -> None:
    """Only these calls link; an event that carries both ids does not."""
    at = "2026-01-01T00:00:00Z"
    identify = {"type": "identify", "userId": "ada", "anonymousId": "a1", "timestamp": at}
    alias = {"type": "alias", "userId": "ada", "previousId": "a2", "anonymousId": "a3"}
    event = track("Product Viewed", product_id="1") | {"anonymousId": "a4"}
    found = unfolded({"batch": [identify, alias, event]})
    assert found.links == [
        (0, {"anonymous_id": "a1", "user_id": "ada", "timestamp": at}),
        (1, {"anonymous_id": "a2", "user_id": "ada"}),
    ]
    assert len(found.rows) == 1


def test_a_call_without_a_type_is_a_track_call() -> None:
    """Bodies of Segment's own /v1/track say no type."""
    assert rows({"event": "Product Viewed", "userId": 7, "properties": {"product_id": 8}, "writeKey": "k"}) == [
        {"user_id": "7", "event_type": "view", "item_id": "8"}
    ]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (ga4(5), "row: 5"),  # type: ignore[arg-type]
        (ga4({"params": {}}), "name: is needed"),
        (ga4({"name": 5}), "name: 5"),
        (ga4({"name": "purchase", "params": []}), "params: '[]'"),
        (ga4({"name": "purchase", "params": {"items": {}}}), "items: '{}'"),
        (ga4({"name": "purchase", "params": {"items": [{"item_id": "1"}, 5]}}), "items[1]: 5"),
        ({"batch": ["x"]}, "row: 'x'"),
        ({"batch": [{}]}, "type: is needed"),
        ({"batch": [{"type": "track", "event": "x", "properties": 5}]}, "properties: 5"),
        ({"batch": [{"type": "track", "event": "x", "userId": ["a"]}]}, "userId: '[\"a\"]'"),
        ({"batch": [track("Order Completed", products="all")]}, "products: 'all'"),
    ],
)
def test_an_event_that_cannot_be_read_is_rejected_alone(body: dict[str, Any], named: str) -> None:
    """The others of the request are taken."""
    good = {"name": "search"} if "client_id" in body else track("Products Searched", query="oak")
    body[next(name for name in ("events", "batch") if name in body)].append(good)
    found = unfolded(body)
    assert [each.index for each in found.rejected] == [0]
    assert found.rejected[0].error.startswith(named)
    assert [(place, row["event_type"]) for place, row in found.rows] == [(1, "search")]


def test_values_that_are_none_are_dropped() -> None:
    """A price or a search that cannot be read is nothing, as in the tables; the event stays."""
    (row,) = rows(track("Product Viewed", product_id="1", price="free", quantity=None, query={"all": 1}, currency=""))
    assert row == {"user_id": "ada", "event_type": "view", "item_id": "1"}
    (row,) = rows(ga4({"name": "view_item", "params": {"items": [{"item_id": "(not set)", "price": True}]}}))
    assert "item_id" not in row
    assert "price" not in row


def test_the_rows_of_one_request_are_bounded() -> None:
    """As many as allowed are unfolded, one more is refused whole."""
    items = [{"item_id": "1"}] * (MAX_UNFOLDED // 5)
    events = [{"name": "view_item", "params": {"items": items}}] * 5
    assert len(rows(ga4(*events))) == MAX_UNFOLDED
    with pytest.raises(Problem, match=str(MAX_UNFOLDED)):
        unfolded(ga4(*events, {"name": "view_item", "params": {"item_id": "1"}}))


def test_rows_of_rejected_events_count() -> None:
    """An event whose last item is none leaves the next ones no more than it would have, had it been whole."""
    items = [*[{"item_id": "1"}] * (MAX_UNFOLDED // 2), 0]
    found = unfolded(ga4(*[{"name": "view_item", "params": {"items": items}}] * 2))
    assert [each.index for each in found.rejected] == [0, 1]
    with pytest.raises(Problem, match=str(MAX_UNFOLDED)):
        unfolded(ga4(*[{"name": "view_item", "params": {"items": items}}] * 3))


@pytest.mark.parametrize("name", ["userId", "anonymousId", "messageId"])
def test_ids_of_a_segment_call_are_judged_before_its_rows_repeat_them(name: str) -> None:
    """A text of a megabyte becomes no thousand texts of a megabyte."""
    call = track("Product Added", products=[{"product_id": "1"}] * 3) | {name: "x" * 5000}
    found = unfolded({"batch": [call]})
    assert (found.rows, len(found.rejected)) == ([], 1)
    assert re.match(r"(user|anonymous|message)_id: 'x+…' has 5000 characters", found.rejected[0].error)


def test_ids_of_a_ga4_body_are_read_once() -> None:
    """Its events hold them, and not copies of them; one that is none rejects each event that would be a row."""
    events = [{"name": "view_item", "params": {"item_id": "1"}}] * 3
    first, *others = rows(ga4(*events, user_id=" ada "))
    assert first["user_id"] == "ada"
    assert all(each["user_id"] is first["user_id"] for each in others)
    found = unfolded(ga4(*events, {"name": "not ours"}, user_id="x" * 5000))
    assert ([each.index for each in found.rejected], found.ignored) == ([0, 1, 2], 1)


class Counted(list[Any]):
    """A list that counts what was taken from it."""

    taken = 0

    def __iter__(self) -> Iterator[Any]:
        """Give one after the other."""
        for each in super().__iter__():
            self.taken += 1
            yield each


@pytest.mark.parametrize("tool", ["ga4", "segment"])
def test_no_more_is_unfolded_than_is_allowed(tool: str) -> None:
    """The items of one event are not gone through to be counted."""
    items = Counted([{"item_id": "1"}] * 10 * MAX_UNFOLDED)
    call = SegmentCall(type="track", event="Product List Viewed", user_id="ada", properties={"products": items})
    event = {"name": "view_item_list", "params": {"items": items}}
    with pytest.raises(Problem, match=str(MAX_UNFOLDED)):
        unfold(Ga4Body(client_id="1", events=(event,)) if tool == "ga4" else call)
    assert items.taken == MAX_UNFOLDED + 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "params", "items", "item_id", "event", "type", "userId", "properties", "products", "price"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
names = st.sampled_from(["purchase", "view_item_list", "search", "Order Completed", "Product List Viewed", "scroll"])
tool_events = st.fixed_dictionaries(
    {},
    optional={
        "name": names | json_values,
        "event": names | json_values,
        "type": st.sampled_from(["track", "page", "identify", "alias", "group"]) | json_values,
        "params": json_values,
        "properties": json_values,
        "userId": json_values,
        "anonymousId": json_values,
        "messageId": json_values,
        "timestamp": json_values,
    },
)


@given(st.lists(tool_events | json_values, max_size=4), st.sampled_from(["client_id", "batch"]))
def test_any_list_of_a_tool_is_unfolded(events: list[Any], tool: str) -> None:
    """Whatever stands in it, every event is rows, links, ignored or rejected."""
    found = unfolded({"client_id": "c", "events": events} if tool == "client_id" else {"batch": events})
    places = {place for place, _ in [*found.rows, *found.links]} | {each.index for each in found.rejected}
    assert len(places) + found.ignored == len(events)
