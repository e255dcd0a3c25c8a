"""The slates of sends: pinned to send and user, current in price and stock, swapped once, and never the same items twice in a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.engine.pipeline import Engine, answer
from recsys.engine.slate_json import sent_json, slate_json
from recsys.item_filters import Condition
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.messages.sends import Sends, SentSlate
from recsys.snapshot.put.overlay import overlay
from recsys.types import Query, Send, Slate
from tests.conftest import ITEMS, NOW, Shop, ago, event, micros, shown

TOMORROW = micros(NOW) + 24 * 3600 * 1_000_000
WEEKLY = Send(send_id="weekly", placement="email_weekly", limit=3, expires_at=TOMORROW)


class Mail:
    """A message tool that asks one worker; several may stand over one folder."""

    def __init__(self, engine: Engine, folder: Path, unseen: int = 3) -> None:
        self.engine, self.state, self.unseen = engine, log_in(folder / "state"), unseen
        self.asked: list[Query] = []
        self.disliked: tuple[tuple[str, str], ...] = ()

    def declare(self, *send_ids: str, **more: Any) -> None:
        """Declare sends that are like the weekly one."""
        for send_id in send_ids:
            self.state.pins.declare(msgspec.structs.replace(WEEKLY, send_id=send_id, **more), micros(NOW))

    def fetch(self, send_id: str, user: str = "user-0", now: int = micros(NOW), **more: Any) -> SentSlate:
        """One user's slate."""
        return self.fetch_all(send_id, [user], now, **more)[0]

    def fetch_all(self, send_id: str, users: list[str], now: int = micros(NOW), **more: Any) -> list[SentSlate]:
        """Several users' slates."""
        sends = Sends(
            self.engine.catalog, self.state.pins, self.answer, self.unseen, micros(NOW), lambda user, now: self.disliked
        )
        return sends.slates(send_id, Query(now=now, **more), users)

    def items(self, send_id: str, user: str = "user-0") -> list[str]:
        """The items of one user's slate."""
        return shown(self.engine, self.fetch(send_id, user).slate)

    def answer(self, query: Query) -> Slate:
        """Ask the pipeline, and remember what was asked."""
        self.asked.append(query)
        query = msgspec.structs.replace(query, disliked=self.disliked)
        return answer(self.engine, query, self.engine.snapshot.histories.of(query.user_id or ""))

    def json(self, send_id: str, user: str = "user-0") -> bytes:
        """The bytes that are answered."""
        found = self.fetch(send_id, user)
        return sent_json(self.engine.catalog, found.slate, send_id, found.pinned)

    def update(self, number: int, item_id: str, **more: Any) -> None:
        """Change an item of the catalogue."""
        overlay(self.engine.catalog, ItemUpdate(item_id, **more), number)


@pytest.fixture
def mail(busy_shop: Shop) -> Mail:
    """A worker over the busy shop, with one send declared."""
    made = Mail(busy_shop.engine(), busy_shop.folder)
    made.declare("weekly")
    return made


@pytest.mark.parametrize("hides", ["item", "brand"])
def test_what_a_reader_says_no_to_leaves_a_slate_that_is_pinned(mail: Mail, hides: str) -> None:
    """At the next fetch: others take the places, and what the reader did not mean stays where it was."""
    mail.declare("weekly")
    before = mail.items("weekly")
    brand = mail.engine.catalog.item(mail.engine.catalog.row(before[0]))["brand"]
    mail.disliked = ((hides, before[0] if hides == "item" else brand),)
    after = mail.items("weekly")
    brands = [mail.engine.catalog.item(mail.engine.catalog.row(item))["brand"] for item in before]
    gone = [item == before[0] if hides == "item" else brand == of for item, of in zip(before, brands, strict=True)]
    assert [now for now, left in zip(after, gone, strict=False) if not left] == [
        was for was, left in zip(before, gone, strict=True) if not left
    ]
    assert not {item for item, left in zip(before, gone, strict=True) if left} & set(after)


def test_the_first_answer_is_the_pipelines_and_stands(mail: Mail, busy_shop: Shop) -> None:
    """What is pinned is what the pipeline answers for placement and limit of the send; later fetches ask it no more."""
    first = mail.fetch("weekly")
    expected = answer(
        mail.engine,
        Query(now=micros(NOW), placement="email_weekly", limit=3, user_id="user-0"),
        mail.engine.snapshot.histories.of("user-0"),
    )
    assert first.pinned
    assert slate_json(mail.engine.catalog, first.slate) == slate_json(mail.engine.catalog, expected)
    bytes_then = mail.json("weekly")
    assert [mail.json("weekly") for _ in range(3)] == [bytes_then] * 3
    assert len(mail.asked) == 1
    assert mail.items("weekly", "user-1") != shown(mail.engine, expected)


def test_a_later_moment_and_another_worker_change_nothing(mail: Mail, busy_shop: Shop) -> None:
    """Another worker over the same folder, with another limit in its question, at another time: the same bytes."""
    first = mail.json("weekly")
    other = Mail(busy_shop.engine(), busy_shop.folder)
    again = other.fetch("weekly", now=TOMORROW - 1, limit=1, placement="home")
    assert sent_json(other.engine.catalog, again.slate, "weekly", again.pinned) == first
    assert other.asked == []


def test_a_retrained_snapshot_keeps_the_items(mail: Mail, busy_shop: Shop) -> None:
    """After a training in which the user's taste has turned, the pinned slate has its bytes, and only a new send changes."""
    first, before = mail.json("weekly"), mail.items("weekly")
    for minutes, item in enumerate(("bag-1", "bag-2", "soap-1", "soap-2")):
        busy_shop.add(event("user-0", item, "purchase", ago(minutes=minutes), order_id=f"new-{minutes}"))
        busy_shop.add(*(event(f"more-{n}", item, "purchase", ago(minutes=n), order_id=f"more-{n}") for n in range(40)))
    retrained = Mail(busy_shop.engine(), busy_shop.folder, unseen=0)
    assert retrained.json("weekly") == first
    retrained.declare("next")
    assert retrained.items("next") != before


def test_an_undeclared_send_is_answered_unpinned(mail: Mail) -> None:
    """It is asked as the question says, each time anew, and nothing is kept."""
    found = mail.fetch("unknown", placement="bestsellers", limit=2)
    assert (found.pinned, found.slate.placement, len(found.slate.items), found.slate.notices) == (
        False,
        "bestsellers",
        2,
        (),
    )
    assert mail.state.pins.pins_of("user-0", 9) == []
    mail.fetch("unknown", placement="bestsellers", limit=2)
    assert len(mail.asked) == 2


def test_an_expired_send_is_answered_unpinned_and_says_so(mail: Mail) -> None:
    """From the moment of its expiry on a send has its placement and limit still, but a slate of now."""
    mail.fetch("weekly", "before")
    last = mail.fetch("weekly", "user-0", now=TOMORROW - 1)
    late = mail.fetch("weekly", "user-1", now=TOMORROW)
    assert (last.pinned, last.slate.notices) == (True, ())
    assert (late.pinned, late.slate.placement, len(late.slate.items)) == (False, "email_weekly", 3)
    assert late.slate.notices == ("send_id: 'weekly' has expired; this slate is not pinned",)
    assert mail.state.pins.pin_of("weekly", "user-1") is None
    assert not mail.fetch("weekly", "before", now=TOMORROW).pinned


def test_price_stays_current(mail: Mail) -> None:
    """A new price stands in the next fetch, and everything else is as it was."""
    first = mail.json("weekly")
    item = mail.items("weekly")[1]
    price = next(each["price"] for each in ITEMS if each["item_id"] == item)
    mail.update(1, item, price=12.5)
    assert mail.json("weekly") == first.replace(b'"price":%.1f,' % price, b'"price":12.5,')
    assert len(mail.asked) == 1


def test_an_item_sold_out_is_swapped_once_for_good(mail: Mail, busy_shop: Shop) -> None:
    """The next item that passes the filters takes the place, for every worker, also when the first is back in stock."""
    first = mail.items("weekly")
    mail.update(1, first[1], stock=0.0)
    swapped = mail.fetch("weekly")
    items = shown(mail.engine, swapped.slate)
    assert items[0::2] == first[0::2]
    assert items[1] not in first
    assert all(mail.engine.catalog.available[row] for row in swapped.slate.items)
    asked = mail.asked[-1]
    assert (asked.limit, set(asked.exclude) >= set(first)) == (1, True)
    rest = answer(mail.engine, msgspec.structs.replace(asked, limit=9), mail.engine.snapshot.histories.of("user-0"))
    assert items[1] == shown(mail.engine, rest)[0]
    mail.update(2, first[1], stock=5.0)
    other = Mail(busy_shop.engine(), busy_shop.folder)
    for each in (mail, other):
        asked_before = len(each.asked)
        assert each.items("weekly") == items
        assert len(each.asked) == asked_before
    assert swapped.slate.recommendation_id == mail.fetch("weekly").slate.recommendation_id


def test_what_no_longer_meets_the_sends_conditions_is_swapped(mail: Mail) -> None:
    """Every item of every slate meets them: one that became too dear gives its place away."""
    mail.declare("cheap", filter=(("price", Condition(max=500.0)),))
    before = mail.items("cheap")
    mail.update(1, before[0], price=501.0)
    after = mail.items("cheap")
    prices = [mail.engine.catalog.item(mail.engine.catalog.row(item))["price"] for item in after]
    assert before[0] not in after
    assert max(prices) <= 500
    assert [item for item in before[1:] if item in after] == before[1:]


def test_what_took_a_place_may_give_way_too(mail: Mail) -> None:
    """Places are filled again and again, no item ever returns, and what cannot be filled is left out until it can."""
    first = mail.items("weekly")
    number, seen = 0, set(first)
    while (items := mail.items("weekly")) and number < 100:
        number += 1
        mail.update(number, items[0], stock=0.0)
        after = mail.items("weekly")
        fresh = [item for item in after if item not in items]
        assert len(fresh) <= 1
        assert not set(fresh) & seen
        seen |= set(fresh)
    assert items == []
    assert mail.fetch("weekly").pinned
    mail.update(101, gone := "gone-1", available=True)
    assert mail.items("weekly") == [gone]


def test_several_places_are_filled_at_once(mail: Mail) -> None:
    """What is gone together is replaced in one question, best first."""
    first = mail.items("weekly")
    for number, item in enumerate(first[:2], 1):
        mail.update(number, item, available=False)
    items = mail.items("weekly")
    assert items[2] == first[2]
    assert len({*items, *first}) == 5
    assert (len(mail.asked), mail.asked[-1].limit) == (2, 2)


def test_an_item_that_left_the_catalogue_is_swapped(mail: Mail, busy_shop: Shop) -> None:
    """A snapshot without the item gives the place to another."""
    first = mail.items("weekly")
    busy_shop.items = [each for each in busy_shop.items if each["item_id"] != first[0]]
    busy_shop.events = [each for each in busy_shop.events if each["item_id"] != first[0]]
    later = Mail(busy_shop.engine(), busy_shop.folder)
    assert later.engine.catalog.row(first[0]) < 0
    items = later.items("weekly")
    assert (len(items), items[1:]) == (3, first[1:])
    assert items[0] not in first


def test_a_swap_brings_no_sibling_of_what_stays(busy_shop: Shop) -> None:
    """One item per group holds for what takes a place, too: rather the list is shorter."""
    busy_shop.items = [{**each, "group_id": each["category"].partition(" ")[0]} for each in busy_shop.items]
    mail = Mail(busy_shop.engine(), busy_shop.folder)
    mail.declare("weekly", limit=2)
    gone, stays = mail.items("weekly")
    group = {each["item_id"]: each["group_id"] for each in busy_shop.items}
    others = [item for item in group if group[item] != group[stays]]
    for number, item in enumerate(others, 1):
        mail.update(number, item, stock=0.0)
    assert gone in others
    assert mail.items("weekly") == [stays]


def test_the_last_sends_are_not_repeated(mail: Mail) -> None:
    """Of the last K sends nothing is shown again, swaps included; what an older one showed may be; K = 0 chooses freely."""
    mail.unseen = 2
    mail.declare("two", "three", "four")
    one = mail.items("weekly")
    mail.update(1, one[0], stock=0.0)
    swapped = mail.items("weekly")
    mail.update(2, one[0], stock=5.0)
    two, three = mail.items("two"), mail.items("three")
    assert len({*one, *swapped, *two, *three}) == len(one) + 1 + len(two) + len(three)
    four = mail.items("four")
    assert not set(four) & {*two, *three}
    assert set(four) & {*one, *swapped}
    assert mail.items("two") == two
    mail.unseen = 0
    mail.declare("five")
    assert mail.asked[-1].exclude != ()
    mail.items("five")
    assert mail.asked[-1].exclude == ()


def test_sends_to_others_do_not_count(mail: Mail) -> None:
    """What one user was shown may be shown to another."""
    mail.declare("two")
    mail.items("weekly", "user-2")
    mail.items("two", "user-0")
    assert mail.asked[-1].exclude == ()


def test_a_swap_keeps_to_what_the_last_sends_did_not_show(mail: Mail) -> None:
    """Whatever takes a place was not in another of the last sends, of which the send itself is none."""
    mail.unseen = 1
    mail.declare("two")
    one, two = mail.items("weekly"), mail.items("two")
    mail.update(1, two[0], stock=0.0)
    assert not set(mail.items("two")) & set(one)
    assert set(mail.asked[-1].exclude) >= {*one, *two}


def test_many_users_get_what_each_gets_alone(mail: Mail) -> None:
    """Asked together or one by one, in whatever order and however often, a user has one slate."""
    users = [f"user-{number}" for number in range(12)]
    alone = {user: mail.json("weekly", user) for user in users[:6]}
    together = mail.fetch_all("weekly", [*users, "user-3", "user-11"])
    assert [each.slate.user_id for each in together] == [*users, "user-3", "user-11"]
    encoded = [sent_json(mail.engine.catalog, each.slate, "weekly", each.pinned) for each in together]
    assert encoded[:6] == list(alone.values())
    assert (encoded[-2], encoded[-1]) == (encoded[3], encoded[11])
    assert [mail.json("weekly", user) for user in users] == encoded[:12]


def test_of_two_workers_at_once_the_first_stands(busy_shop: Shop) -> None:
    """Both find nothing pinned and answer differently; who writes later answers what the first wrote."""
    one, two = Mail(busy_shop.engine(), busy_shop.folder), Mail(busy_shop.engine(), busy_shop.folder)
    one.declare("weekly")
    two.update(1, "sofa-1", stock=0.0)

    def meanwhile(query: Query, ask: Callable[[Query], Slate] = two.answer) -> Slate:
        first.append(one.json("weekly"))
        two.update(2, "sofa-1", stock=5.0)
        return ask(msgspec.structs.replace(query, exclude=tuple(one.items("weekly"))))

    first: list[bytes] = []
    two.answer = meanwhile  # type: ignore[method-assign]
    assert two.json("weekly") == first[0]
    assert len(first) == 1


def test_an_empty_slate_is_pinned_too(mail: Mail) -> None:
    """Who got nothing gets nothing again: the message was made without it."""
    for number, each in enumerate(ITEMS, 1):
        mail.update(number, each["item_id"], stock=0.0)
    assert (mail.items("weekly"), mail.fetch("weekly").pinned) == ([], True)
    mail.update(99, "sofa-1", stock=5.0)
    assert mail.items("weekly") == []
    assert mail.items("weekly", "user-2") == ["sofa-1"]
